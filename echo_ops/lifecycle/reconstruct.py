"""Events in, lifecycles out: what became of each request."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.errors import InputError
from echo_ops.lifecycle.closing import closing_policy
from echo_ops.lifecycle.columns import portions
from echo_ops.lifecycle.decision import kept_rate
from echo_ops.lifecycle.document import Document, Found
from echo_ops.schema.conform import conform, whole
from echo_ops.schema.events import EVENTS, KINDS, OFFSET_UNITS
from echo_ops.schema.lifecycles import CHECKPOINTS, LIFECYCLES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ORDER = ["occurred_at", "request_id", "document_id", "session_id"]
_OF_REQUESTS = ["occurred_at", *(name for name in LIFECYCLES.names if name in EVENTS.names and name != "proposal")]


def reconstruct(
    events: pa.Table,
    *,
    policy: str = "default",
    received: tuple[datetime, datetime] | None = None,
    horizon: datetime | None = None,
) -> pa.Table:
    """What became of each request.

    Source of the method: "Echo: Learning from Experience Data via User-Driven Refinement", 2026 (context, anchors,
    commit); how it is found is told in docs/decisions/0002-reconstruction.md.

    Args:
        events: table in the columns of ``EVENTS``, in any order and with repeats. All events of a document
            have to be in one table.
        policy: when a gap closes, ``default`` or ``strict``.
        received: requests received in ``[from, until)`` are given out, the others only help to read their documents;
            None: all.
        horizon: end of the reading window by the server's clock; later events are not looked at, and what is still
            open then closes with ``horizon``. None: the table holds everything that happened.

    Returns:
        Table in the columns of ``LIFECYCLES``, one row per ``requested`` event, by (requested_at, request_id).

    Raises:
        SchemaError: ``events`` lacks a column or has it in another type.
        InputError: the policy is not known, or a kind or an offset unit of ``events``.
    """
    closing = closing_policy(policy)
    events = conform(events, EVENTS, "events")
    for name, words in (("kind", KINDS), ("offset_unit", OFFSET_UNITS)):
        _refuse_unknown(events[name], name, words)
    if horizon is not None:
        within = pc.less(events["received_at"], pa.scalar(horizon, EVENTS.field("received_at").type))
        events = events if pc.all(within).as_py() else events.filter(within)
    end = None if horizon is None else _microseconds(horizon)
    batch = pa.RecordBatch.from_arrays([whole(column) for column in events.columns], schema=EVENTS)
    wanted = _within(batch["received_at"], received)
    rows: list[int] = []
    found: list[Found] = []
    with _no_search_for_cycles():
        for portion in portions(batch):
            some = [
                one for document in portion.documents for one in Document(portion.columns, document, closing).read(end)
            ]
            at = portion.rows[[one.row for one in some]]
            rows += at[wanted[at]].tolist()
            found += compress(some, wanted[at].tolist())
            del portion  # its text is gone before that of the next one is made, which takes its room
        return _table(batch, rows, found, closing.name)


def _refuse_unknown(column: pa.ChunkedArray, name: str, words: tuple[str, ...]) -> None:
    """A word that nobody knows would be read as another: a wrong commit, passed off as exact."""
    unknown = column.filter(pc.invert(pc.is_in(column, pa.array(words))))
    if len(unknown):
        raise InputError(
            f"events: {name} is {unknown[0].as_py()!r} in {len(unknown):,} of {len(column):,} rows; "
            f"known are {', '.join(words)}"
        )


def _within(moments: pa.Array, window: tuple[datetime, datetime] | None) -> npt.NDArray[np.bool_]:
    """Whether each is in ``[from, until)``."""
    if window is None:
        return np.ones(len(moments), np.bool_)
    start, stop = (pa.scalar(moment, moments.type) for moment in window)
    return np.asarray(pc.and_(pc.greater_equal(moments, start), pc.less(moments, stop)))


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Python does not search for cycles meanwhile: a reconstruction makes many objects, and no cycles."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


def _table(events: pa.RecordBatch, rows: list[int], found: list[Found], policy: str) -> pa.Table:
    """The lifecycles.

    Args:
        events: with the requests.
        rows: which they are.
        found: what they came to.
        policy: by which.
    """
    taken = pa.array(rows, pa.int64())
    order = pc.sort_indices(events.select(_ORDER).take(taken), sort_keys=[(name, "ascending") for name in _ORDER])
    requests = events.select(_OF_REQUESTS).take(taken.take(order))
    found = [found[index] for index in order.to_pylist()]
    computed: dict[str, Any] = {
        "requested_at": requests["occurred_at"],
        "prefix": requests["prefix"].fill_null(""),
        "suffix": requests["suffix"].fill_null(""),
        "proposal": [one.proposal for one in found],
        "decision": [one.decision for one in found],
        "committed": [one.committed for one in found],
        "close_reason": [one.close_reason for one in found],
        "closed_at": [one.closed_at for one in found],
        "evidence": [one.evidence for one in found],
        "confidence": [one.confidence for one in found],
        "kept_rate": [
            None
            if one.decision == "not_shown" or one.proposal is None or one.committed is None
            else kept_rate(one.proposal, one.committed)
            for one in found
        ],
        "policy": [policy] * len(found),
    }
    for index, seconds in enumerate(CHECKPOINTS):
        computed[f"committed_{seconds}s"] = [one.checkpoints[index] for one in found]
    arrays = []
    for field in LIFECYCLES:
        values = computed[field.name] if field.name in computed else requests[field.name]
        arrays.append(values if isinstance(values, pa.Array) else pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=LIFECYCLES)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)

"""Events in, lifecycles out: what became of each request."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.lifecycle.closing import closing_policy
from echo_ops.lifecycle.columns import Portion, columns, portions
from echo_ops.lifecycle.decision import kept_rate
from echo_ops.lifecycle.document import Document, Found
from echo_ops.lifecycle.rows import Columns
from echo_ops.lifecycle.windows import TableWindows
from echo_ops.schema.conform import conform
from echo_ops.schema.events import EVENTS
from echo_ops.schema.lifecycles import CHECKPOINTS, LIFECYCLES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_READ = {field.name for field in fields(Columns)} - {"windows"}
_ORDER = ("requested_at", "request_id", "document_id", "session_id")


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
        InputError: the policy is not known.
    """
    closing = closing_policy(policy)
    events = conform(events, EVENTS, "events")
    if horizon is not None:
        within = pc.less(events["received_at"], pa.scalar(horizon, EVENTS.field("received_at").type))
        events = events if pc.all(within).as_py() else events.filter(within)
    end = None if horizon is None else _microseconds(horizon)
    window = None if received is None else tuple(_microseconds(moment) for moment in received)

    windows = TableWindows(events)
    narrow = events.select([name for name in EVENTS.names if name in _READ])
    found: list[Found] = []

    def read(portion: Portion) -> pa.Array:
        """Add what became of a portion's requests; gives their rows in the table. The portion's objects are then gone,
        and the next one's take their room."""
        some = narrow.take(portion.rows)
        lists = columns(some, windows.compared(some, portion))
        first = len(found)
        for document in portion.documents:
            for one in Document(lists, document, closing).read(end):
                if window is None or window[0] <= lists.received_at[one.row] < window[1]:
                    found.append(one)
        return portion.rows[[one.row for one in found[first:]]]

    rows = np.concatenate([np.empty(0, np.int64), *map(read, portions(events))])
    return _table(events.take(rows), found, closing.name).sort_by([(name, "ascending") for name in _ORDER])


def _table(requests: pa.Table, found: list[Found], policy: str) -> pa.Table:
    computed: dict[str, list[Any]] = {
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
        if field.name in computed:
            arrays.append(pa.array(computed[field.name], field.type))
        elif field.name == "requested_at":
            arrays.append(requests["occurred_at"])
        elif field.name in ("prefix", "suffix"):
            arrays.append(requests[field.name].fill_null(""))
        else:
            arrays.append(requests[field.name])
    return pa.Table.from_arrays(arrays, schema=LIFECYCLES)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)

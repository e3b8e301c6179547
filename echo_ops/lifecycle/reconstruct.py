"""Events in, lifecycles out: what became of each request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.lifecycle.closing import closing_policy
from echo_ops.lifecycle.decision import kept_rate
from echo_ops.lifecycle.document import Columns, Document, Found
from echo_ops.lifecycle.edits import Edit, parse_all
from echo_ops.schema.conform import conform
from echo_ops.schema.events import EVENTS
from echo_ops.schema.lifecycles import CHECKPOINTS, LIFECYCLES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        events = events.filter(pc.less(events["received_at"], pa.scalar(horizon, EVENTS.field("received_at").type)))
    events = _in_order(events)
    found: list[Found] = []
    if events.num_rows:
        columns = _columns(events)
        end = None if horizon is None else _microseconds(horizon)
        window = None if received is None else tuple(_microseconds(moment) for moment in received)
        for rows in _documents(events, columns):
            for one in Document(columns, closing).read(rows, end):
                if window is None or window[0] <= columns.received_at[one.row] < window[1]:
                    found.append(one)
    return _table(events, found, closing.name)


def _in_order(events: pa.Table) -> pa.Table:
    """Events by document and ``seq``, each once; independent of the order they came in."""
    if not events.num_rows:
        return events
    keys = pa.table(
        {
            "document": pc.rank(events["document_id"], tiebreaker="dense"),
            **{name: events[name] for name in ("seq", "received_at", "event_id")},
        }
    )
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
    return events.take(order).combine_chunks()


def _columns(events: pa.Table) -> Columns:
    def values(name: str) -> list[Any]:
        return list(events[name].to_pylist())

    def micros(name: str) -> list[int]:
        return list(events[name].cast(pa.int64()).to_pylist())

    raw = values("edits")
    some = [row for row, text in enumerate(raw) if text is not None]
    edits: list[list[Edit] | None] = [None] * len(raw)
    for row, parsed in zip(some, parse_all([raw[row] for row in some]), strict=True):
        edits[row] = parsed
    return Columns(
        occurred_at=micros("occurred_at"),
        received_at=micros("received_at"),
        edits=edits,
        **{
            name: values(name)
            for name in (
                "kind", "user_id", "session_id", "seq", "version", "request_id", "caret", "document_length", "prefix",
                "suffix", "cause", "proposal", "replace_start", "replace_end", "offset_unit",
            )
        },
    )  # fmt: skip


def _documents(events: pa.Table, columns: Columns) -> Iterator[list[int]]:
    """The rows of each document. Where two sessions count their own ``seq`` in one document, each is read alone."""
    seqs, sessions = columns.seq, columns.session_id
    start = 0
    for stop in pc.run_end_encode(events["document_id"].combine_chunks()).run_ends.to_pylist():
        rows = list(range(start, stop))
        start = stop
        distinct = {sessions[row] for row in rows}
        if len(distinct) > 1 and len({(sessions[row], seqs[row]) for row in rows}) > len({seqs[row] for row in rows}):
            for session in sorted(distinct):
                yield _once([row for row in rows if sessions[row] == session], seqs)
        else:
            yield _once(rows, seqs)


def _once(rows: list[int], seqs: list[int]) -> list[int]:
    """One event per ``seq``: a repeat is the same event told twice, whichever was received first stands for it."""
    kept = [rows[0]]
    for row in rows:
        if seqs[row] != seqs[kept[-1]]:
            kept.append(row)
    return kept


def _table(events: pa.Table, found: list[Found], policy: str) -> pa.Table:
    requests = events.take(pa.array([one.row for one in found], pa.int64()))
    computed: dict[str, list[Any]] = {
        "proposal": [one.proposal for one in found],
        "decision": [one.decision for one in found],
        "committed": [one.committed for one in found],
        "close_reason": [one.close_reason for one in found],
        "closed_at": [_EPOCH + timedelta(microseconds=one.closed_at) for one in found],
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
    table = pa.Table.from_arrays(arrays, schema=LIFECYCLES)
    return table.sort_by([("requested_at", "ascending"), ("request_id", "ascending")]).combine_chunks()


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)

"""Completion events: written by editors (through Postgres or Parquet), read by lifecycle, quality and rollout."""

from __future__ import annotations

from typing import Literal, get_args

import pyarrow as pa

Kind = Literal[
    "opened",
    "changed",
    "selection_changed",
    "requested",
    "shown",
    "accepted",
    "partially_accepted",
    "rejected",
    "ignored",
    "closed",
]
KINDS: tuple[str, ...] = get_args(Kind)

SHOWING = ("opened", "changed", "requested")
"""Kinds of events whose windows are looked at; those of others are neither read nor copied."""

OffsetUnit = Literal["code-point", "utf-16", "utf-8"]
OFFSET_UNITS: tuple[str, ...] = get_args(OffsetUnit)

TIMESTAMP = pa.timestamp("us", tz="UTC")

EVENTS = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("occurred_at", TIMESTAMP, nullable=False),
        pa.field("received_at", TIMESTAMP, nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("document_id", pa.string(), nullable=False),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("version", pa.int64()),
        pa.field("request_id", pa.string()),
        pa.field("language", pa.string()),
        pa.field("repository", pa.string()),
        pa.field("path", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("caret", pa.int64()),
        pa.field("document_length", pa.int64()),
        pa.field("prefix", pa.string()),
        pa.field("suffix", pa.string()),
        pa.field("edits", pa.string()),  # JSON: [[start, end, text], …], simultaneous, in offsets before the event
        pa.field("cause", pa.string()),
        pa.field("proposal", pa.string()),
        pa.field("replace_start", pa.int64()),
        pa.field("replace_end", pa.int64()),
        pa.field("offset_unit", pa.string(), nullable=False),
    ]
)
"""Columns of contract.md. UUIDs are text in their canonical form; offsets are in ``offset_unit``."""

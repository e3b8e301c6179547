"""Lifecycles: written by lifecycle, read by teacher, curation and quality. One row per ``requested`` event."""

from __future__ import annotations

from typing import Literal, get_args

import pyarrow as pa

from echo_ops.schema.events import TIMESTAMP

Policy = Literal["default", "strict"]
POLICIES: tuple[str, ...] = get_args(Policy)

Decision = Literal["accepted", "partially_accepted", "rejected", "ignored", "not_shown"]
DECISIONS: tuple[str, ...] = get_args(Decision)

CloseReason = Literal["idle", "outside_edit", "anchor_broken", "replaced", "document_closed", "events_lost", "horizon"]
CLOSE_REASONS: tuple[str, ...] = get_args(CloseReason)

Evidence = Literal["edits", "snapshots", "requests"]
EVIDENCES: tuple[str, ...] = get_args(Evidence)

Confidence = Literal["exact", "inferred", "ambiguous"]
CONFIDENCES: tuple[str, ...] = get_args(Confidence)

CHECKPOINTS = (30, 120, 300, 600)
"""Seconds after the request at which the gap's content is kept, so that a policy can change later."""

LIFECYCLES = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("document_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("repository", pa.string()),
        pa.field("path", pa.string()),
        pa.field("language", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("requested_at", TIMESTAMP, nullable=False),  # occurred_at of the request: the client's clock
        pa.field("received_at", TIMESTAMP, nullable=False),  # the server's clock: gives the request its day
        pa.field("prefix", pa.string(), nullable=False),
        pa.field("suffix", pa.string(), nullable=False),
        pa.field("proposal", pa.string()),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("committed", pa.string()),
        pa.field("close_reason", pa.string(), nullable=False),
        pa.field("closed_at", TIMESTAMP, nullable=False),
        pa.field("evidence", pa.string(), nullable=False),
        pa.field("confidence", pa.string(), nullable=False),
        pa.field("kept_rate", pa.float64()),
        pa.field("policy", pa.string(), nullable=False),
        *(pa.field(f"committed_{seconds}s", pa.string()) for seconds in CHECKPOINTS),
    ]
)
"""Columns of contract.md, then when the request was received, the closing policy, the gap at each checkpoint."""

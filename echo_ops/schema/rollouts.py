"""Rollouts: written by rollout into the ledger `echo.rollouts`, read by the console and by whoever routes requests.

One row per decision, append-only; a share of users above 0 in the last row of a model says that a rollout is running.
"""

from __future__ import annotations

from typing import Literal, get_args

import pyarrow as pa

from echo_ops.schema.events import TIMESTAMP

RolloutDecision = Literal["advance", "hold", "roll_back", "promote"]
ROLLOUT_DECISIONS: tuple[str, ...] = get_args(RolloutDecision)

GateVerdict = Literal["insufficient", "worse", "undecided", "not_worse", "better"]
GATE_VERDICTS: tuple[str, ...] = get_args(GateVerdict)

Alias = Literal["champion", "challenger", "previous_champion"]
ALIASES: tuple[str, ...] = get_args(Alias)

ROLLOUTS = pa.schema(
    [
        pa.field("model_name", pa.string(), nullable=False),
        pa.field("revision", pa.int64(), nullable=False),  # 1, 2, 3 … per model, without holes
        pa.field("rollout_id", pa.string()),  # what users are hashed with; null while nothing is rolled out
        pa.field("decision", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("champion", pa.string()),  # versions in MLflow, before the decision
        pa.field("challenger", pa.string()),
        pa.field("share_before", pa.float64(), nullable=False),
        pa.field("share_after", pa.float64(), nullable=False),
        pa.field("share_since", TIMESTAMP),  # when share_after began; null while nothing is rolled out
        pa.field("evidence_from", TIMESTAMP),  # the gate looked at requests received from here …
        pa.field("evidence_until", TIMESTAMP),  # … to here; null, as all below, where it did not look
        pa.field("champion_shown", pa.int64()),
        pa.field("champion_accepted", pa.int64()),
        pa.field("champion_users", pa.int64()),
        pa.field("challenger_shown", pa.int64()),
        pa.field("challenger_accepted", pa.int64()),
        pa.field("challenger_users", pa.int64()),
        pa.field("verdict", pa.string()),
        pa.field("difference", pa.float64()),  # acceptance of the challenger minus the champion's
        pa.field("low", pa.float64()),  # one-sided bounds of the difference
        pa.field("high", pa.float64()),
        pa.field("evidence", pa.string()),  # JSON: both Counts whole, the test's name and confidence
        pa.field("alias_moves", pa.string(), nullable=False),  # JSON: [{"alias", "before", "after"}, …], in order
        pa.field("settings_digest", pa.string(), nullable=False),
        pa.field("decided_at", TIMESTAMP, nullable=False),
    ]
)
"""Columns of `echo.rollouts`; the JSON columns are jsonb there."""

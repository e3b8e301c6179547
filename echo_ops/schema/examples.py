"""Examples and dropped rows: written by curation, read by training and quality. One row per lesson."""

from __future__ import annotations

from typing import Literal, get_args

import pyarrow as pa

from echo_ops.schema.events import TIMESTAMP

Split = Literal["train", "evaluation"]
SPLITS: tuple[str, ...] = get_args(Split)

EXAMPLES = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("repository", pa.string()),
        pa.field("document_id", pa.string(), nullable=False),
        pa.field("language", pa.string()),
        pa.field("requested_at", TIMESTAMP, nullable=False),
        pa.field("model_version", pa.string()),
        pa.field("prefix", pa.string(), nullable=False),
        pa.field("suffix", pa.string(), nullable=False),
        pa.field("lesson", pa.string(), nullable=False),
        pa.field("committed", pa.string(), nullable=False),
        pa.field("proposal", pa.string()),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("kept_rate", pa.float64()),
        pa.field("cut", pa.int64(), nullable=False),
        pa.field("cut_probability", pa.float64()),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("verdict_probability", pa.float64()),
        pa.field("teacher", pa.string(), nullable=False),
        pa.field("prompt_version", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
    ]
)
"""Columns of contract.md, and the document, which the split falls back on."""

DROPPED = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),  # never holds users' text
    ]
)

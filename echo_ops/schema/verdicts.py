"""Verdicts: written by teacher, read by curation. One row per lifecycle whose commit is known."""

from __future__ import annotations

from typing import Literal, get_args

import pyarrow as pa

Verdict = Literal["fill", "silence", "reject_boundary", "reject_inconsistent", "reject_noise"]
VERDICTS_OF_A_TEACHER: tuple[str, ...] = get_args(Verdict)

VERDICTS = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("cut", pa.int64(), nullable=False),  # characters of the commit that belong to the request
        pa.field(
            "cut_kind", pa.string(), nullable=False
        ),  # token | expression | statement | line | block | whole | none
        pa.field("cut_probability", pa.float64()),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("verdict_probability", pa.float64()),
        pa.field("teacher", pa.string(), nullable=False),  # "syntax", or the model's name behind vllm
        pa.field("prompt_version", pa.string(), nullable=False),
    ]
)

"""Scores of a model on held-out requests: one row per request, kept apart from every decision that rests on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

import pyarrow as pa

SCORES = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("void", pa.bool_(), nullable=False),  # the lesson is silence
        pa.field("silent", pa.bool_(), nullable=False),  # the model proposed nothing
        pa.field("exact_match", pa.bool_(), nullable=False),  # the proposal is the lesson
        pa.field("edit_similarity", pa.float64(), nullable=False),  # of proposal and lesson, see edit_similarity
        pa.field("kept_rate", pa.float64()),  # share of the proposal that is in the commit; null where silent
        pa.field("nll", pa.float64()),  # nats of the lesson and its end; null where the lesson exceeds the context
        pa.field("tokens", pa.int64(), nullable=False),  # of the lesson and its end
        pa.field("characters", pa.int64(), nullable=False),  # of the lesson and its end, which counts as one
    ]
)
"""Written by ``evaluate``; read by ``summarise`` and ``compare``. Texts are not kept."""


def edit_similarity(proposal: str, lesson: str) -> float:
    """1 − Levenshtein distance / length of the longer; 1 for two empty texts."""
    if proposal == lesson:
        return 1.0
    longer, shorter = sorted((proposal, lesson), key=len, reverse=True)
    row = list(range(len(shorter) + 1))
    for i, one in enumerate(longer, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(shorter, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (one != other))
    return 1 - row[-1] / len(longer)


def kept_rate(proposal: str, committed: str) -> float | None:
    """Share of the proposal's characters that are in the commit, in order; null where nothing was proposed."""
    if not proposal:
        return None
    if proposal == committed[: len(proposal)]:
        return 1.0
    blocks = SequenceMatcher(None, proposal, committed, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(proposal)


def score(row: dict[str, Any], proposal: str, nll: float | None, tokens: int) -> dict[str, Any]:
    """One row of SCORES, from a row of EXAMPLES and what the model proposed for it."""
    lesson: str = row["lesson"]
    return {
        "request_id": row["request_id"],
        "void": not lesson,
        "silent": not proposal,
        "exact_match": proposal == lesson,
        "edit_similarity": edit_similarity(proposal, lesson),
        "kept_rate": kept_rate(proposal, row["committed"]),
        "nll": nll,
        "tokens": tokens,
        "characters": len(lesson) + 1,
    }


def summarise(scores: pa.Table) -> dict[str, float | int | None]:
    """The figures of a model.

    Exact match, edit similarity and kept rate are means over requests whose lesson is not silence, the kept rate over
    those where something was proposed. Silence is right where the lesson is void: precision is of the requests where
    the model was silent, recall of the void ones. A figure without rows is None.
    """
    rows = scores.to_pylist()
    filled = [row for row in rows if not row["void"]]
    void = [row for row in rows if row["void"]]
    silent = [row for row in rows if row["silent"]]
    known = [row for row in rows if row["nll"] is not None]
    nats = math.fsum(row["nll"] for row in known)
    return {
        "requests": len(rows),
        "exact_match": _mean([row["exact_match"] for row in filled]),
        "edit_similarity": _mean([row["edit_similarity"] for row in filled]),
        "kept_rate": _mean([row["kept_rate"] for row in filled if row["kept_rate"] is not None]),
        "perplexity": math.exp(nats / sum(row["tokens"] for row in known)) if known else None,
        "nll_per_character": nats / sum(row["characters"] for row in known) if known else None,
        "void": len(void),
        "silence_precision": _mean([row["void"] for row in silent]),
        "silence_recall": _mean([row["silent"] for row in void]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None

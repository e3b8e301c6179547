"""Scores of a model on held-out requests: one row per request, kept apart from every decision that rests on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rapidfuzz.distance import LCSseq, Levenshtein

if TYPE_CHECKING:
    import numpy as np

    Column = np.ndarray[Any, np.dtype[np.float64]]

SCORES = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("language", pa.string()),
        pa.field("void", pa.bool_(), nullable=False),  # the lesson is silence
        pa.field("silent", pa.bool_(), nullable=False),  # the model proposed nothing
        pa.field("exact_match", pa.bool_(), nullable=False),  # the proposal is the lesson
        pa.field("edit_similarity", pa.float64(), nullable=False),  # of proposal and lesson, see edit_similarity
        pa.field("kept_rate", pa.float64()),  # share of the proposal that is in the commit; null where silent
        pa.field("saved", pa.int64(), nullable=False),  # characters of the lesson that the proposal begins with
        pa.field("nll", pa.float64()),  # nats of the lesson and its end; null where the lesson exceeds the context
        pa.field("tokens", pa.int64(), nullable=False),  # of the lesson and its end
        pa.field("characters", pa.int64(), nullable=False),  # of the lesson and its end, which counts as one
    ]
)
"""Written by ``evaluate``; read by ``summarise`` and ``compare``. Texts are not kept."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a model: the sum of one thing over some requests, by the sum of another over the same requests."""

    name: str
    numerator: Callable[[dict[str, Column]], Column]
    denominator: Callable[[dict[str, Column]], Column]
    exponential: bool = False  # of the ratio, as perplexity is


FIGURES: tuple[Figure, ...] = (
    Figure("exact_match", lambda c: c["filled"] * c["exact_match"], lambda c: c["filled"]),
    Figure("edit_similarity", lambda c: c["filled"] * c["edit_similarity"], lambda c: c["filled"]),
    Figure("kept_rate", lambda c: c["filled"] * c["kept_rate"], lambda c: c["filled"] * (1 - c["silent"])),
    Figure("saved_share", lambda c: c["saved"], lambda c: c["characters"] - 1),
    Figure("perplexity", lambda c: c["nll"], lambda c: c["known"] * c["tokens"], exponential=True),
    Figure("nll_per_character", lambda c: c["nll"], lambda c: c["known"] * c["characters"]),
    Figure("silence_precision", lambda c: c["void"] * c["silent"], lambda c: c["silent"]),
    Figure("silence_recall", lambda c: c["void"] * c["silent"], lambda c: c["void"]),
)
"""Exact match, edit similarity and kept rate are means over requests whose lesson is not silence, the kept rate over
those where something was proposed. The saved share is that of the users' characters: Σ |longest common prefix of
proposal and lesson| / Σ |lesson|, what a user need not type who takes the proposal as far as it is right; reading and
accepting it cost nothing in it, so it is an upper bound. Perplexity is per token and nats are per character of lesson
and end, over requests that fit the context. Silence is right where the lesson is void: precision is of the requests
where the model was silent, recall of the void ones."""


def edit_similarity(proposal: str, lesson: str) -> float:
    """1 − Levenshtein distance / length of the longer; 1 for two empty texts."""
    return Levenshtein.normalized_similarity(proposal, lesson)


def kept_rate(proposal: str, committed: str) -> float | None:
    """Share of the proposal's characters that are in the commit, in the same order (longest common subsequence).

    The same as the column of LIFECYCLES, which compares the beginning of a very long commit; null where nothing was
    proposed.
    """
    return LCSseq.similarity(proposal, committed) / len(proposal) if proposal else None


def saved(proposal: str, lesson: str) -> int:
    """Characters of the lesson that the proposal begins with: those that nobody need type."""
    pairs = enumerate(zip(proposal, lesson, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(proposal), len(lesson)))


def score(row: dict[str, Any], proposal: str, nll: float | None, tokens: int) -> dict[str, Any]:
    """One row of SCORES, from a row of EXAMPLES and what the model proposed for it."""
    lesson: str = row["lesson"]
    return {
        "request_id": row["request_id"],
        "language": row.get("language"),
        "void": not lesson,
        "silent": not proposal,
        "exact_match": proposal == lesson,
        "edit_similarity": edit_similarity(proposal, lesson),
        "kept_rate": kept_rate(proposal, row["committed"]),
        "saved": saved(proposal, lesson),
        "nll": nll,
        "tokens": tokens,
        "characters": len(lesson) + 1,
    }


def summarise(scores: pa.Table) -> dict[str, float | int | None]:
    """The FIGURES of a model, with the number of requests and of void ones. A figure without rows is None."""
    figures: dict[str, float | int | None] = {"requests": scores.num_rows}
    for figure, (above, below) in zip(FIGURES, sums(columns(scores)).tolist(), strict=True):
        ratio = math.fsum(above) / math.fsum(below) if any(below) else None
        figures[figure.name] = math.exp(ratio) if figure.exponential and ratio is not None else ratio
    return figures | {"void": sum(scores["void"].to_pylist())}


def columns(scores: pa.Table) -> dict[str, Column]:
    """The numbers of SCORES, 0 where there is none, with ``filled`` (not void) and ``known`` (nll)."""
    import numpy as np
    import pyarrow.compute as pc

    numbers = [field.name for field in SCORES if not pa.types.is_string(field.type)]
    found = {name: np.asarray(pc.fill_null(scores[name].cast(pa.float64()), 0.0)) for name in numbers}
    return found | {"filled": 1 - found["void"], "known": np.asarray(scores["nll"].is_valid().cast(pa.float64()))}


def sums(found: dict[str, Column]) -> Any:
    """What each figure adds up, request by request: (figures, numerator | denominator, requests)."""
    import numpy as np

    return np.array([[figure.numerator(found), figure.denominator(found)] for figure in FIGURES])

"""Public or private evaluation sets, as JSONL files, and how much of a lesson they hold.

A set's rows are cut into shingles of ``TOKENS`` tokens (13 as in Brown et al., 2020, appendix C, would never meet a
lesson of one line). The place of the gap does not matter: a benchmark's solution is recognised wherever a request cuts
it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from echo_ops.curation.near import TOKEN
from echo_ops.errors import InputError

TOKENS = 8
BEFORE, AFTER = 200, 100
"""Characters of prefix and suffix that count beside the lesson: short lessons are told by where they stand."""

FIELDS = ("prompt", "prefix", "lesson", "middle", "canonical_solution", "groundtruth", "suffix", "right_context")
"""Text of a row, in this order: what HumanEval, its infilling variants, CrossCodeEval and our examples call it."""


@lru_cache(maxsize=4)
def shingles_of(paths: tuple[Path, ...]) -> frozenset[str]:
    """The shingles of all rows of JSONL files.

    Raises:
        InputError: a file cannot be read, or a line is no JSON object with one of ``FIELDS``.
    """
    return frozenset(shingle for path in paths for text in _texts(path) for shingle in _shingles(text))


def overlap(known: frozenset[str], prefix: str, lesson: str, suffix: str) -> float:
    """The share of a lesson's shingles, with some context, that are in an evaluation set, 0 … 1."""
    mine = _shingles(prefix[-BEFORE:] + lesson + suffix[:AFTER])
    return sum(shingle in known for shingle in mine) / len(mine) if mine else 0.0


def _shingles(text: str) -> list[str]:
    tokens = TOKEN.findall(text)
    return [" ".join(tokens[start : start + TOKENS]) for start in range(len(tokens) - TOKENS + 1)]


def _texts(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _text(path, number, line)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise InputError(f"evaluation set {path} cannot be read: {why}; see ECHO_CURATION_EVALUATION_SETS") from None


def _text(path: Path, number: int, line: str) -> str:
    try:
        row: Any = json.loads(line)
    except ValueError:
        row = None
    parts = [row[name] for name in FIELDS if isinstance(row.get(name), str)] if isinstance(row, dict) else []
    if not parts:
        raise InputError(
            f"evaluation set {path}, line {number}: wanted is a JSON object with one of {', '.join(FIELDS)}"
        )
    return "".join(parts)

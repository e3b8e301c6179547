"""A static set of lessons that is replayed beside the days', against forgetting: JSONL or Parquet, one lesson a row."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.errors import InputError
from echo_ops.training.lessons import COLUMNS, READ_ROWS
from echo_ops.training.replay import rank

TEXTS = ("prefix", "suffix", "lesson")


def sample(path: Path, count: int, seed: int) -> pa.Table:
    """``count`` rows of the set, or all of them, chosen by a hash of seed and content; only they are held in memory.

    Args:
        path: ``*.parquet``, else JSONL; prefix, suffix and lesson are text, other columns are left out.

    Returns:
        Rows as ``lessons.read`` gives them, of weight 1.

    Raises:
        InputError: the file cannot be read, or a row lacks a text.
    """
    named = ({"request_id": _name(row), **row} for row in _rows(path))
    chosen = heapq.nsmallest(count, named, key=lambda row: rank(seed, row["request_id"]))
    return pa.Table.from_pylist([row | {"committed": "", "weight": 1.0, "split": "train"} for row in chosen], COLUMNS)


def _name(row: dict[str, str]) -> str:
    return "static " + blake2b("\x00".join(row[name] for name in TEXTS).encode(), digest_size=16).hexdigest()


def _rows(path: Path) -> Iterator[dict[str, str]]:
    good = 0
    try:
        for row in _parquet(path) if path.suffix == ".parquet" else _jsonl(path):
            texts = {name: row[name] for name in TEXTS}
            if not all(isinstance(text, str) for text in texts.values()):
                raise TypeError
            yield texts
            good += 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read after row {good} ({type(error).__name__}); wanted is JSONL or "
            f"Parquet with the texts {', '.join(TEXTS)}; see ECHO_TRAINING_STATIC_SET"
        ) from None


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        columns = [name for name in TEXTS if name in file.schema_arrow.names]
        for batch in file.iter_batches(READ_ROWS, columns=columns):
            yield from batch.to_pylist()


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)

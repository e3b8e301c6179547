"""Lessons on disk, as tokens: written once, row by row, then read in batches without being held in memory.

The same rows give the same batches, whatever the order in which they came: every choice is a hash of the seed and the
request.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from echo_ops.errors import InputError
from echo_ops.schema.conform import conform
from echo_ops.schema.examples import EXAMPLES
from echo_ops.training.fim import Layout, LessonTooLong
from echo_ops.training.healing import healed
from echo_ops.training.replay import rank, uniform

READ_ROWS = 512
BUCKET_BATCHES = 32
"""Batches whose rows are sorted by length before they are cut: little padding, and still a random order."""

COLUMNS = pa.schema(
    [EXAMPLES.field(name) for name in ("request_id", "prefix", "suffix", "lesson", "committed", "weight", "split")]
)
TOKENS = pa.schema([pa.field("input_ids", pa.list_(pa.int32())), pa.field("labels", pa.list_(pa.int32()))])


@dataclass(frozen=True, slots=True)
class Lessons:
    """The lessons of a file, rendered. ``path`` holds TOKENS as an Arrow file; the lists have one entry per row."""

    path: Path
    request_ids: list[str]
    lengths: list[int]  # tokens of context and lesson
    targets: list[int]  # tokens with loss
    weights: list[float]
    too_long: int  # rows left out: the lesson alone is longer than the budget


def read(examples: str | Path, split: str | None = None, columns: pa.Schema = COLUMNS) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file of EXAMPLES, those columns that are needed, in small batches.

    Raises:
        InputError: there is no such file, it is no Parquet, or it lacks a column.
    """
    try:
        file = pq.ParquetFile(examples)
    except (OSError, pa.ArrowInvalid):
        raise InputError(f"{examples} is no Parquet file that can be read; wanted are rows of EXAMPLES") from None
    with file:
        names = [name for name in columns.names if name in file.schema_arrow.names]
        for batch in file.iter_batches(READ_ROWS, columns=names):
            rows = conform(pa.Table.from_batches([batch]), columns, str(examples))
            if split is not None:
                rows = rows.filter(pc.equal(rows["split"], split))
            yield from rows.combine_chunks().to_batches()


def render(
    files: Sequence[str | Path], layout: Layout, context_tokens: int, reserved: int, path: Path, heal: bool = False
) -> Lessons:
    """Render the rows of some files of EXAMPLES whose split is ``train`` into an Arrow file at ``path``.

    Raises:
        InputError: a file cannot be read, or they hold no lesson that fits.
    """
    lessons = Lessons(path, [], [], [], [], 0)
    too_long = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, TOKENS) as writer:
        for batch in chain.from_iterable(read(file, split="train") for file in files):
            rendered = []
            for row in batch.to_pylist():
                try:
                    prefix, lesson = healed(row["prefix"], row["lesson"]) if heal else (row["prefix"], row["lesson"])
                    one = layout.render(prefix, row["suffix"], lesson, context_tokens, reserved)
                except LessonTooLong:
                    too_long += 1
                    continue
                rendered.append({"input_ids": one.input_ids, "labels": one.labels})
                lessons.request_ids.append(row["request_id"])
                lessons.lengths.append(len(one.input_ids))
                lessons.targets.append(len(one.lesson))
                lessons.weights.append(row["weight"])
            writer.write_batch(pa.RecordBatch.from_pylist(rendered, schema=TOKENS))
    if not lessons.request_ids:
        raise InputError(
            f"{files[0]} holds no lesson to learn ({too_long} are longer than {context_tokens} tokens); "
            "wanted is at least one row with split train"
        )
    return Lessons(path, lessons.request_ids, lessons.lengths, lessons.targets, lessons.weights, too_long)


def order(lessons: Lessons, batch_size: int, epochs: float, seed: int) -> list[int]:
    """The row of every example that is seen, one after the other, batch after batch.

    A row of weight 0.3 is seen in three of ten passes, one of weight 2 twice in each. The rows are shuffled; those of
    some batches are then sorted by length, cut into batches, and the batches shuffled.
    """
    rows: list[int] = []
    for epoch in range(math.ceil(epochs)):
        share = min(1.0, epochs - epoch)
        seen = _pass(lessons, seed, epoch)
        rows += seen[: math.ceil(len(seen) * share)] if share < 1 else seen
    bucket = batch_size * BUCKET_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(rows), bucket):
        by_length = sorted(
            rows[start : start + bucket], key=lambda row: (lessons.lengths[row], lessons.request_ids[row])
        )
        cut = [by_length[at : at + batch_size] for at in range(0, len(by_length), batch_size)]
        batches += sorted(cut, key=lambda batch: rank(seed, "batch", start, lessons.request_ids[batch[0]]))
    # Only the last batch may be short: the trainer counts off batches by size.
    batches.sort(key=lambda batch: len(batch) < batch_size)
    return [row for batch in batches for row in batch]


def _pass(lessons: Lessons, seed: int, epoch: int) -> list[int]:
    copies: list[tuple[int, int]] = []
    for row, (request, weight) in enumerate(zip(lessons.request_ids, lessons.weights, strict=True)):
        times = math.floor(weight + uniform(seed, "weight", epoch, request))
        copies += [(rank(seed, "order", epoch, request, copy), row) for copy in range(times)]
    return [row for _, row in sorted(copies)]


def dataset(lessons: Lessons, rows: list[int]) -> Any:
    """``rows`` of the lessons as a ``datasets.Dataset``, read from disk when a batch is made."""
    from datasets import Dataset

    return Dataset.from_file(str(lessons.path)).select(rows)

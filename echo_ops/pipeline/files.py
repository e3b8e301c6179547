"""The stages on files: events in, lifecycles out; lifecycles in, examples and dropped rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from echo_ops.errors import InputError
from echo_ops.pipeline.processes import cpus, side_by_side
from echo_ops.pipeline.replacing import replacing
from echo_ops.pipeline.spill import Bucket, buckets_for, in_buckets
from echo_ops.schema.conform import conform
from echo_ops.schema.events import EVENTS
from echo_ops.schema.lifecycles import CHECKPOINTS, LIFECYCLES, POLICIES
from echo_ops.schema.scores import CONSENTS, STUDENT
from echo_ops.settings import Settings

BATCH_ROWS = 4096
"""Events read at once, of a file that is cut into few buckets."""
BATCH_ROWS_PER_BUCKET = 64
"""Events read at once for each bucket: with fewer, packing them takes longer than reading."""


@dataclass(frozen=True, slots=True)
class RefinedFile:
    """What ``refine_file`` wrote."""

    lifecycles: int
    kept: int
    dropped: dict[str, int]
    teacher: str
    notes: tuple[str, ...]
    usage: dict[str, str]  # what teacher and student have cost, in words


def reconstruct_file(
    events: Path,
    policy: str,
    out: Path,
    settings: Settings,
    on_step: Callable[[str, int, int], None] | None = None,
) -> int:
    """Reconstruct every request of a file of events, also of one larger than memory; gives the number of lifecycles.

    Lifecycles are by (requested_at, request_id); those of a file that does not fit in memory, within each bucket of
    documents. The same file gives the same bytes, whatever the number of processes.

    Args:
        events: Parquet file with the contract's columns.
        policy: when a gap closes.
        out: Parquet file for the lifecycles.
        settings: ``home``, for what does not fit in memory, and ``harvest.processes``.
        on_step: called with ``read`` or ``reconstruct``, events done and events in all.

    Raises:
        InputError: the policy is unknown, or the file lacks a column or is no Parquet; nothing is written.
        UnavailableError: there is no room for the output, or for what does not fit in memory; nothing is left.
    """
    if policy not in POLICIES:
        raise InputError(f"policy {policy!r} is unknown; there are {', '.join(POLICIES)}")
    tell = on_step or (lambda _step, _done, _all: None)
    with _open(events) as file:
        total, size = file.metadata.num_rows, sum(group.total_byte_size for group in _row_groups(file))
        count = buckets_for(total, size)
        batches = _batches(file, events, count, partial(tell, "read"))
        with in_buckets(batches, EVENTS, count, settings.home) as buckets:
            work = partial(_reconstruct_bucket, policy=policy)
            processes = min(settings.harvest.processes or cpus(), len(buckets))
            done = rows = 0
            tell("reconstruct", done, total)
            with replacing(out) as part, pq.ParquetWriter(part, LIFECYCLES, compression="zstd") as writer:
                for read, lifecycles in side_by_side(work, buckets, processes):
                    writer.write_table(lifecycles)
                    rows += lifecycles.num_rows
                    done += read
                    tell("reconstruct", done, total)
    return rows


def _reconstruct_bucket(bucket: Bucket, policy: str) -> tuple[int, pa.Table]:
    """Events of a bucket, and its lifecycles."""
    from echo_ops.lifecycle.reconstruct import reconstruct

    events = bucket.read()
    return events.num_rows, reconstruct(events, policy=policy)


def _batches(
    file: pq.ParquetFile, path: Path, buckets: int, tell: Callable[[int, int], None]
) -> Iterator[pa.RecordBatch]:
    """The file's events: few in memory at once, but some for each bucket."""
    done = 0
    with _clear_errors(path):
        for batch in file.iter_batches(max(BATCH_ROWS, BATCH_ROWS_PER_BUCKET * buckets), columns=EVENTS.names):
            yield from conform(pa.Table.from_batches([batch]), EVENTS, str(path)).to_batches()
            done += batch.num_rows
            tell(done, file.metadata.num_rows)


def _open(path: Path) -> pq.ParquetFile:
    with _clear_errors(path):
        # No pre-buffering: a row group may be larger than memory, and its pages are read as they are needed.
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    conform(file.schema_arrow.empty_table(), EVENTS, str(path))
    return file


def _row_groups(file: pq.ParquetFile) -> Iterator[pq.RowGroupMetaData]:
    return (file.metadata.row_group(number) for number in range(file.num_row_groups))


def refine_file(
    lifecycles: Path,
    out: Path,
    dropped: Path,
    settings: Settings,
    cache: Path | None = None,
    on_step: Callable[[str, int, int], None] | None = None,
    *,
    consents: Path | None = None,
    student: Path | None = None,
) -> RefinedFile:
    """Make lessons of a file of lifecycles; every row ends in exactly one of the two outputs.

    Args:
        consents: Parquet file of CONSENTS; the teacher sees no row of a user who withdrew.
        student: Parquet file of STUDENT, how likely a student finds the lessons; None: the one that is served is asked,
            where there is one.
        cache: folder of the answers of teacher and student; None: below the lake.
        on_step: called with ``judge``, ``score`` or ``curate``, lifecycles done and lifecycles in all.

    Raises:
        InputError: the file lacks a column or is no Parquet; nothing is written.
        TeacherError: the teacher or the student is gone; nothing is written, but what was answered is in the cache.
        BudgetError: the budget of either is used up; likewise.
    """
    from echo_ops.curation import curate
    from echo_ops.pipeline import scoring, teaching
    from echo_ops.teacher.judge import judge

    tell = on_step or (lambda _step, _done, _all: None)

    ours = frozenset({"received_at", "policy", *(f"committed_{seconds}s" for seconds in CHECKPOINTS)})
    given = _read(lifecycles)
    if "received_at" not in given.column_names and "requested_at" in given.column_names:
        given = given.append_column("received_at", given["requested_at"])
    if "policy" not in given.column_names:
        given = given.append_column("policy", pa.array([settings.harvest.policy] * given.num_rows, pa.string()))
    rows = conform(given, LIFECYCLES, str(lifecycles), optional=ours)
    said = None if consents is None else conform(_read(consents), CONSENTS, str(consents))
    scored = None if student is None else conform(_read(student), STUDENT, str(student))
    withdrawn = pa.array(sorted(curate.withdrawn(said)) if said is not None else [], pa.string())
    agreed = rows.filter(pc.invert(pc.is_in(rows["user_id"], value_set=withdrawn)))
    teacher = teaching.of_file(settings, cache)
    scorer = scoring.of_file(settings, cache) if scored is None else None
    verdicts = judge(agreed, teacher, partial(tell, "judge"))
    if scorer:
        scored = scorer.score(agreed, verdicts, partial(tell, "score"))
    tell("curate", 0, rows.num_rows)
    refined = curate.refine(rows, verdicts, settings.curation, student=scored, consents=said)
    selection = curate.select(refined.keys, settings.curation)
    examples = curate.assemble(refined.candidates, selection.kept)
    rejects = pa.concat_tables([refined.dropped, selection.dropped]).sort_by("request_id")
    with replacing(out) as examples_part, replacing(dropped) as dropped_part:
        pq.write_table(examples, examples_part, compression="zstd")
        pq.write_table(rejects, dropped_part, compression="zstd")
    counts = {count["values"]: count["counts"] for count in rejects["reason"].value_counts().to_pylist()}
    return RefinedFile(
        rows.num_rows,
        examples.num_rows,
        dict(sorted(counts.items())),
        teacher.name,
        tuple(selection.notes),
        teaching.figures(teacher.usage, settings.teacher)
        | (teaching.figures(scorer.student.usage, settings.student) if scorer else {}),
    )


def _read(path: Path) -> pa.Table:
    with _clear_errors(path):
        return pq.read_table(path)


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None

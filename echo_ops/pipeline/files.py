"""The stages on files: events in, lifecycles out; lifecycles in, examples and dropped rows out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.errors import InputError, UnavailableError
from echo_ops.schema.conform import conform
from echo_ops.schema.events import EVENTS
from echo_ops.schema.lifecycles import CHECKPOINTS, LIFECYCLES, POLICIES
from echo_ops.settings import Settings


@dataclass(frozen=True, slots=True)
class RefinedFile:
    """What ``refine_file`` wrote."""

    lifecycles: int
    kept: int
    dropped: dict[str, int]
    teacher: str
    notes: tuple[str, ...]


def reconstruct_file(
    events: Path, policy: str, out: Path, progress: Callable[[int, int | None], None] | None = None
) -> int:
    """Reconstruct every request of a file of events; gives the number of lifecycles.

    Raises:
        InputError: the policy is unknown, or the file lacks a column or is no Parquet; nothing is written.
    """
    from echo_ops.lifecycle.reconstruct import reconstruct

    if policy not in POLICIES:
        raise InputError(f"policy {policy!r} is unknown; there are {', '.join(POLICIES)}")
    rows = conform(_read(events), EVENTS, str(events))
    if progress:
        progress(0, rows.num_rows)
    lifecycles = reconstruct(rows, policy=policy)
    with _atomic(out) as part:
        pq.write_table(lifecycles, part, compression="zstd")
    if progress:
        progress(rows.num_rows, rows.num_rows)
    return int(lifecycles.num_rows)


def refine_file(
    lifecycles: Path, out: Path, dropped: Path, settings: Settings, cache: Path | None = None
) -> RefinedFile:
    """Make lessons of a file of lifecycles; every row ends in exactly one of the two outputs.

    Raises:
        InputError: the file lacks a column or is no Parquet; nothing is written.
        TeacherError: the teacher is gone; nothing is written, but what was answered is in the cache.
    """
    from echo_ops.curation import curate
    from echo_ops.teacher.connect import connect
    from echo_ops.teacher.judge import judge

    ours = frozenset({"received_at", "policy", *(f"committed_{seconds}s" for seconds in CHECKPOINTS)})
    given = _read(lifecycles)
    if "received_at" not in given.column_names and "requested_at" in given.column_names:
        given = given.append_column("received_at", given["requested_at"])
    if "policy" not in given.column_names:
        given = given.append_column("policy", pa.array([settings.harvest.policy] * given.num_rows, pa.string()))
    rows = conform(given, LIFECYCLES, str(lifecycles), optional=ours)
    teacher = connect(settings.teacher, None if cache is None else str(cache))
    refined = curate.refine(rows, judge(rows, teacher), settings.curation)
    selection = curate.select(refined.keys, settings.curation)
    examples = curate.assemble(refined.candidates, selection.kept)
    rejects = pa.concat_tables([refined.dropped, selection.dropped]).sort_by("request_id")
    with _atomic(out) as examples_part, _atomic(dropped) as dropped_part:
        pq.write_table(examples, examples_part, compression="zstd")
        pq.write_table(rejects, dropped_part, compression="zstd")
    counts = {count["values"]: count["counts"] for count in rejects["reason"].value_counts().to_pylist()}
    return RefinedFile(
        rows.num_rows, examples.num_rows, dict(sorted(counts.items())), teacher.name, tuple(selection.notes)
    )


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


@contextmanager
def _atomic(path: Path) -> Iterator[Path]:
    """A file beside ``path`` that takes its place when all went well."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)

"""Parquet files of completion events into Postgres, each file whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.errors import InputError, UnavailableError
from echo_ops.events.admission import REFUSALS, admit, check_columns
from echo_ops.events.migrate import current
from echo_ops.events.postgres import connect, dsn, is_conflict, translated
from echo_ops.schema.events import EVENTS
from echo_ops.sql import statement

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Cursor

BATCH_ROWS = 8192
"""Rows in memory at once: some 30 MB of events with 3.5 kB of text each."""

TRIES = 3
"""Times a file is tried when another writer's transaction comes between."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows: ``read == loaded + repeated + sum(rejected.values())``. Read by the command line."""

    read: int
    loaded: int
    repeated: int
    rejected: dict[str, int]  # one of admission.REFUSALS → rows
    days: tuple[date, ...]  # UTC, by received_at, of the rows that were not rejected


def load(url: str, paths: Iterable[Path], progress: Progress | None = None) -> Counts:
    """Load files; events that the database has already are ignored, rows that break the contract are kept apart.

    A file is one transaction: killed in the middle, it leaves nothing, and a rerun leaves the same rows as one whole
    run. Several loaders may run side by side. Memory is bounded by a batch, whatever the size of a file.

    Args:
        url: libpq URL of a database that is migrated.
        paths: Parquet files with the columns of contract.md.
        progress: called with rows done and rows in all.

    Raises:
        InputError: a file is no Parquet or lacks a column (then nothing at all is written), or the schema is missing.
        UnavailableError: the server does not answer, or went away.
    """
    files = list(paths)
    total = sum(_checked(path) for path in files)
    current(url)
    tell = progress or (lambda _done, _all: None)
    tell(0, total)
    counts: list[Counts] = []
    done = 0
    for path in files:
        base = done
        counts.append(_load_file(url, path, lambda rows, base=base: tell(base + rows, total)))  # type: ignore[misc]
        done += counts[-1].read
    return _sum(counts)


def _checked(path: Path) -> int:
    """Rows of a file that can be loaded."""
    try:
        with pq.ParquetFile(path) as file:
            check_columns(file.schema_arrow, path.name)
            return int(file.metadata.num_rows)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: not readable as Parquet ({str(error).splitlines()[0][:100]})") from None


def _load_file(url: str, path: Path, tell: Callable[[int], None]) -> Counts:
    from adbc_driver_manager import Error as AdbcError
    from adbc_driver_postgresql import dbapi

    for attempt in range(1, TRIES + 1):
        with translated(url):
            try:
                with dbapi.connect(dsn(url)) as connection, connection.cursor() as cursor:
                    counts = _load_into(url, cursor, path, tell)
                    connection.commit()
                    return counts
            except AdbcError as error:
                if attempt == TRIES or not is_conflict(error):
                    raise
    raise AssertionError("unreachable: the last try returns or raises")


def _load_into(url: str, cursor: Cursor, path: Path, tell: Callable[[int], None]) -> Counts:
    cursor.execute(statement("events_stage_compression"))
    cursor.fetchall()
    for name in ("events_stage", "events_stage_rejects", "events_stage_claimed"):
        cursor.execute(statement(name))
    read, rejected = _stage(cursor, path, tell)
    cursor.execute("ANALYZE staged_events")
    cursor.execute(statement("events_staged_days"))
    days: list[tuple[date, bool]] = cursor.fetchall()
    # In transactions of their own, before this one holds anything that another writer might wait for.
    _make_partitions(url, [day for day, is_new in days if is_new])
    cursor.execute(statement("events_claim"))
    cursor.execute("SELECT count(*) FROM claimed")
    loaded = int(_one(cursor))
    cursor.execute("SELECT set_config('echo.events_claimed', 'on', true)")
    cursor.fetchall()
    cursor.execute(statement("events_insert"))
    cursor.execute(statement("events_reject"))
    repeated = read - loaded - sum(rejected.values())
    return Counts(read, loaded, repeated, dict(rejected), tuple(day for day, _ in days))


def _stage(cursor: Cursor, path: Path, tell: Callable[[int], None]) -> tuple[int, Counter[str]]:
    """Rows read, and how many of them were rejected for which reason."""
    read = 0
    rejected: Counter[str] = Counter()
    # No pre-buffering: a row group may be larger than memory, and its pages are read as they are needed.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=EVENTS.names):
            admitted = admit(batch, path.name, read)
            for table, rows in (("staged_events", admitted.events), ("staged_rejects", admitted.refused)):
                if rows.num_rows:
                    cursor.adbc_ingest(table, rows, mode="append", temporary=True)
            rejected.update(admitted.refused["reason"].to_pylist())
            read += batch.num_rows
            tell(read)
    return read, rejected


def _make_partitions(url: str, days: Sequence[date]) -> None:
    with connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for day in days:
            cursor.execute("SELECT echo.make_partition(%s)", (day,))


def _one(cursor: Cursor) -> Any:
    row = cursor.fetchone()
    if row is None:
        raise UnavailableError("Postgres gave no row where one is certain; try again")
    return row[0]


def _sum(counts: Sequence[Counts]) -> Counts:
    rejected = sum((Counter(count.rejected) for count in counts), Counter[str]())
    return Counts(
        sum(count.read for count in counts),
        sum(count.loaded for count in counts),
        sum(count.repeated for count in counts),
        {reason: rejected[reason] for reason in REFUSALS if rejected[reason]},
        tuple(sorted({day for count in counts for day in count.days})),
    )

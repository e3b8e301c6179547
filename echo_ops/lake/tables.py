"""Delta tables on local disk or object storage, and the staging area of a day that is not published yet.

Layout, below the lake's URI::

    lifecycles/ verdicts/ scores/ examples/ dropped/ measures/ days/    Delta, partitioned by day
    _staging/day=D/<table>/<shard>.parquet            a day's shards, before it is published

A published day is overwritten in one atomic commit per table, so a rerun or a backfill replaces and never doubles.
Shards are staged as Parquet files whose bytes are hashed: the same rows give the same hash, and publishing takes only
the very bytes that the shard's task has vouched for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from echo_ops.errors import EchoError, InputError, UnavailableError

TABLES = ("lifecycles", "verdicts", "scores", "examples", "dropped", "measures", "days")
"""The published tables, in the order in which a day is written; ``days`` last: its row says that all is there."""

DAY = pa.field("day", pa.date32(), nullable=False)
BATCH_ROWS = 8192


class Lake:
    """The tables below one URI.

    Raises:
        UnavailableError: from every method, when the storage cannot be read or written.
    """

    def __init__(self, uri: str) -> None:
        """Args: uri: a local path, ``file://…``, ``s3://…``, ``gs://…`` or ``abfs://…``; credentials from the
        environment, as the cloud's own tools take them."""
        self.uri = uri.rstrip("/")
        with self._clear_errors("opened"):
            if "://" in self.uri:
                self._files, self._root = pafs.FileSystem.from_uri(self.uri)
            else:
                self._files, self._root = pafs.LocalFileSystem(), str(Path(self.uri).absolute())

    # -- staging: shards of a day that is not published yet

    def stage(self, day: date, table: str, shard: int, rows: pa.Table) -> str:
        """Put a shard's rows there, atomically, in place of what was there; gives the hash of its bytes."""
        with self.staging(day, shard, [table]) as staging:
            staging.write(table, rows)
        return staging.hashes[table]

    @contextmanager
    def staging(self, day: date, shard: int, tables: Sequence[str]) -> Iterator[Staging]:
        """Stage a shard's rows of several tables, part by part; they take their places when the block ends well."""
        staging = Staging(tables)
        yield staging
        for table in tables:
            data = staging.finish(table)
            path = self._staged_path(day, table, shard)
            with self._clear_errors("written"):
                self._files.create_dir(path.rpartition("/")[0], recursive=True)
                self._write_atomically(path, data)

    def staged(self, day: date, table: str, shard: int, expected_hash: str | None = None) -> pa.Table:
        """A staged shard's rows, all at once; see ``staged_parts``."""
        return pa.concat_tables(self.staged_parts(day, table, shard, expected_hash)).combine_chunks()

    def staged_parts(self, day: date, table: str, shard: int, expected_hash: str | None = None) -> Iterator[pa.Table]:
        """A staged shard's rows, in the parts in which they were staged; only one of them is in memory as a table.

        Raises:
            InputError: the shard is not there, or not the bytes that ``expected_hash`` names (another run of the same
                day went on at the same time).
        """
        path = self._staged_path(day, table, shard)
        try:
            with self._clear_errors("read"), self._files.open_input_file(path) as file:
                data = file.read_buffer()
        except FileNotFoundError:
            raise InputError(f"shard {shard} of {table} of {day} is not staged; run the day's harvest again") from None
        if expected_hash is not None and hashlib.sha256(data).hexdigest() != expected_hash:
            raise InputError(
                f"shard {shard} of {table} of {day} was staged anew by another run with other settings or data; "
                "let one of them end, then run the day's harvest again"
            )
        parts = pq.ParquetFile(pa.BufferReader(data))
        if parts.num_row_groups == 0:
            yield parts.schema_arrow.empty_table()
        for number in range(parts.num_row_groups):
            yield parts.read_row_group(number)

    def discard_staged(self, day: date) -> None:
        """Remove what is staged of a day."""
        with self._clear_errors("written"):
            self._files.delete_dir_contents(f"{self._root}/_staging/day={day}", missing_dir_ok=True)

    # -- published tables

    def publish(self, day: date, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Overwrite a day's partition in one atomic commit; gives the table's new version.

        Args:
            day: the partition.
            table: one of ``TABLES``.
            schema: columns of ``batches``, without ``day``.
            batches: the rows, streamed; never all in memory.
        """
        from deltalake import DeltaTable, write_deltalake

        partitioned = schema.append(DAY)
        source_errors: list[EchoError] = []

        def with_day() -> Iterator[pa.RecordBatch]:
            try:
                for batch in batches:
                    days = pa.array([day] * batch.num_rows, type=DAY.type)
                    yield pa.RecordBatch.from_arrays([*batch.columns, days], schema=partitioned)
            except EchoError as error:  # the writer would hand it on as text of its own
                source_errors.append(error)
                raise

        with self._clear_errors("written"):
            try:
                write_deltalake(
                    self._table_uri(table),
                    pa.RecordBatchReader.from_batches(partitioned, with_day()),
                    partition_by=["day"],
                    mode="overwrite",
                    schema_mode="merge",
                    predicate=f"day = '{day.isoformat()}'",
                )
            except Exception:
                if source_errors:
                    raise source_errors[0] from None
                raise
            return int(DeltaTable(self._table_uri(table)).version())

    def read(
        self,
        table: str,
        days: Sequence[date] | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        equal: dict[str, str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of some days (all where None), batch by batch; nothing where the table does not exist yet.

        Args:
            table: one of ``TABLES``.
            days: partitions to read.
            columns: columns to read.
            version: the table as it was then.
            equal: only rows whose column has this value, e.g. ``{"split": "train"}``.
        """
        import pyarrow.dataset as ds

        delta = self._open(table, version)
        if delta is None:
            return
        condition: Any = None if days is None else ds.field("day").isin(list(days))
        for name, value in (equal or {}).items():
            matches = ds.field(name) == value
            condition = matches if condition is None else condition & matches
        with self._clear_errors("read"):
            scanner = delta.to_pyarrow_dataset().scanner(
                columns=list(columns) if columns is not None else None,
                filter=condition,
                batch_size=BATCH_ROWS,
                batch_readahead=2,
                fragment_readahead=1,
            )
            yield from scanner.to_batches()

    def days(self) -> list[date]:
        """The days that are published, oldest first."""
        return sorted({day for batch in self.read("days", columns=["day"]) for day in batch["day"].to_pylist()})

    def versions(self) -> dict[str, int]:
        """Each table's version: together, the lineage of a model."""
        return {table: int(delta.version()) for table in TABLES if (delta := self._open(table)) is not None}

    # -- inner

    def _open(self, table: str, version: int | None = None) -> Any:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        with self._clear_errors("read"):
            try:
                return DeltaTable(self._table_uri(table), version=version)
            except TableNotFoundError:
                return None

    def _table_uri(self, table: str) -> str:
        if table not in TABLES:
            raise InputError(f"{table} is no table of the lake; there are {', '.join(TABLES)}")
        return f"{self.uri if '://' in self.uri else self._root}/{table}"

    def _staged_path(self, day: date, table: str, shard: int) -> str:
        return f"{self._root}/_staging/day={day}/{table}/{shard:05d}.parquet"

    def _write_atomically(self, path: str, data: pa.Buffer) -> None:
        # On object storage an object appears whole when it is closed; on disk a rename does that.
        local = isinstance(self._files, pafs.LocalFileSystem)
        target = f"{path}.{os.getpid()}.part" if local else path
        with self._files.open_output_stream(target) as file:
            file.write(data)
        if local:
            Path(target).replace(path)

    @contextmanager
    def _clear_errors(self, verb: str) -> Iterator[None]:
        from deltalake.exceptions import DeltaError

        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, DeltaError, pa.ArrowInvalid) as error:
            why = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
            raise UnavailableError(
                f"the lake at {self.uri} cannot be {verb}: {why}; check that the path exists, is writable and has "
                "space, or name another with ECHO_LAKE_URI"
            ) from error


class Staging:
    """The tables of a shard while they are written: compressed parts in memory, a tenth of what they take as tables."""

    def __init__(self, tables: Sequence[str]) -> None:
        """Args: tables: their names."""
        self.hashes: dict[str, str] = {}
        self._sinks = {table: pa.BufferOutputStream() for table in tables}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def write(self, table: str, rows: pa.Table) -> None:
        """Add a part. The first one, which may be empty, gives the table its columns."""
        rows = rows.replace_schema_metadata(None)
        first = table not in self._writers
        if first:
            self._writers[table] = pq.ParquetWriter(self._sinks[table], rows.schema, compression="zstd")
        if first or rows.num_rows:
            self._writers[table].write_table(rows)

    def finish(self, table: str) -> pa.Buffer:
        """The bytes of the whole table, whose hash is in ``hashes`` from now on."""
        self._writers[table].close()
        data = self._sinks[table].getvalue()
        self.hashes[table] = hashlib.sha256(data).hexdigest()
        return data


def batches_of(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """A table's rows as batches that bound a writer's memory."""
    yield from table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)

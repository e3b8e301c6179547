"""Events in any number, cut by hash of ``document_id`` into buckets that fit in memory.

A stream that fits in memory stays there. A larger one is written to one lz4 Arrow file a bucket, in a private folder
that is removed when the work ends; what a killed process left behind is removed by the next one. Which bucket a
document falls into depends on its id and on the number of buckets alone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from itertools import chain
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from echo_ops.errors import UnavailableError

BUCKET_EVENTS = 10_000
"""Events of a bucket: 33 MB with windows of 2 kB and 1 kB. Three are in memory: one read, one worked on, one staged."""

BUCKET_BYTES = 1 << 27
"""Bytes in memory at once, where events are larger than that."""

MOST_BUCKETS = 1024
"""Files that are open at once."""

_WRITTEN_AT_ONCE = 1 << 16
"""Bytes of a file that are held back, to be written together."""

_PREFIX = "spill-"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Documents, each with all its events: in memory, or in a file for as long as ``in_buckets`` is open."""

    place: pa.Table | Path

    def read(self) -> pa.Table:
        """The events, in the order in which they came, in one chunk."""
        if not isinstance(self.place, Path):
            return self.place.combine_chunks()
        options = pa.ipc.IpcReadOptions(use_threads=False)
        with _clear_errors(self.place.parent, "read"), pa.memory_map(str(self.place)) as source:
            return pa.ipc.open_file(source, options=options).read_all().combine_chunks()


def buckets_for(events: int, size: int = 0) -> int:
    """Into how many buckets that many events, of ``size`` bytes together, are cut."""
    return min(max(-(-events // BUCKET_EVENTS), -(-size // BUCKET_BYTES), 1), MOST_BUCKETS)


@contextmanager
def in_buckets(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, buckets: int, home: Path, held_events: int | None = None
) -> Iterator[list[Bucket]]:
    """The rows of a stream in at most ``buckets`` buckets; in a single one, in memory, where they fit.

    Args:
        batches: rows in ``schema``, which has a column ``document_id``.
        schema: the schema of the batches, and of each bucket.
        buckets: see ``buckets_for``.
        home: folder for the spilled files, in a subfolder of their own; made where it does not exist.
        held_events: rows that fit in memory, unless they have more than ``BUCKET_BYTES``; None: ``BUCKET_EVENTS``.

    Raises:
        UnavailableError: the folder cannot be written, e.g. for want of space.
    """
    stream = iter(batches)
    held: list[pa.RecordBatch] = []
    if _fits(stream, held, held_events or BUCKET_EVENTS):
        whole = [Bucket(pa.Table.from_batches(held, schema))]
        held.clear()  # who takes the bucket out of the list has the only copy
        yield whole
        return
    with _private_folder(home) as folder:
        files = [folder / f"{number:05d}.arrow" for number in range(buckets)]
        with _clear_errors(folder, "written"), ExitStack() as stack:
            # To hand each of a hundred small buffers to a thread, and then to the system, costs thrice what lz4 does.
            options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
            sinks = [stack.enter_context(pa.output_stream(file, buffer_size=_WRITTEN_AT_ONCE)) for file in files]
            writers = [stack.enter_context(pa.ipc.new_file(sink, schema, options=options)) for sink in sinks]
            for batch in chain(_emptied(held), stream):
                rows, ends = _by_bucket(batch, buckets)
                for writer, start, stop in zip(writers, ends[:-1], ends[1:], strict=True):
                    if start < stop:
                        writer.write_batch(rows.slice(start, stop - start))
        yield [Bucket(file) for file in files]


def _fits(stream: Iterator[pa.RecordBatch], held: list[pa.RecordBatch], held_events: int) -> bool:
    """Whether the whole stream fits in memory; ``held`` are the batches that were taken from it to know."""
    rows = size = 0
    for batch in stream:
        held.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows > held_events or size > BUCKET_BYTES:
            return False
    return True


def _emptied(held: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    while held:
        yield held.pop(0)


def _by_bucket(batch: pa.RecordBatch, buckets: int) -> tuple[pa.RecordBatch, list[int]]:
    """The batch with each bucket's rows side by side, and where each bucket begins and the last one ends."""
    documents = batch["document_id"].cast(pa.binary()).dictionary_encode()
    bucket_of = np.array([crc32(document) % buckets for document in documents.dictionary.to_pylist()], dtype=np.int64)
    placed = bucket_of[documents.indices.to_numpy()]
    order = np.argsort(placed, kind="stable")
    return batch.take(pa.array(order)), np.searchsorted(placed[order], np.arange(buckets + 1)).tolist()


@contextmanager
def _private_folder(home: Path) -> Iterator[Path]:
    """A folder for this user alone, locked while it is in use, and gone afterwards."""
    with _clear_errors(home, "written"):
        home.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(home)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home.absolute()))  # mode 0700
        lock = os.open(folder / "making", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        flock(lock, LOCK_EX)
        (folder / "making").rename(folder / _LOCK)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(home: Path) -> None:
    """Folders whose process died: nobody holds their lock any more."""
    for folder in home.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is in use, or has no lock yet
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
            try:
                flock(lock, LOCK_EX | LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


@contextmanager
def _clear_errors(folder: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error).splitlines()[0]
        raise UnavailableError(
            f"{folder} cannot be {verb}: {why}; events larger than memory are kept there for a while: make room, or "
            "name another folder with ECHO_HOME"
        ) from None

"""Other people's logs into a file of events: ``events import``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from echo_ops.errors import InputError
from echo_ops.events.formats import read
from echo_ops.events.formats.identity import Pseudonyms
from echo_ops.events.formats.port import Loss, Notes, Row, Source
from echo_ops.pipeline.replacing import replacing
from echo_ops.schema.events import EVENTS

GROUP_ROWS = 20_000
GROUP_CHARACTERS = 32 * 2**20
"""A row group is written when it has so many rows, or so much text: that bounds the memory."""

PROGRESS_BYTES = 2**20
"""Bytes between two reports of progress: one for each line takes as long as the import."""

LEAST_KEY = 16
"""Bytes of a key for pseudonyms at least."""


UNKEYED = Loss("user_id", "pseudonyms without a key: who has a list of names can test them; give --key")


@dataclass(frozen=True, slots=True)
class Imported:
    """What ``import_files`` wrote."""

    files: int
    events: int
    requests: int
    notes: Notes


def import_files(
    name: str, paths: Sequence[Path], out: Path, key: Path | None, progress: Callable[[int, int], None]
) -> Imported:
    """Read files of a format into Parquet with the columns of ``EVENTS``.

    Args:
        name: one of ``echo_ops.events.formats.FORMATS``.
        paths: the files.
        out: written beside and renamed: it is whole, or as it was.
        key: file with a secret for the pseudonyms; None: pseudonyms without a key.
        progress: called with the bytes read so far and all of them.

    Raises:
        InputError: the format or a file cannot be read, or there is no event in the files; nothing is written.
        UnavailableError: ``out`` cannot be written.
    """
    if any(path.resolve() == out.resolve() for path in paths):
        raise InputError(f"{out} is also read; name another file for --out")
    total, seen, reported = sum(path.stat().st_size for path in paths), 0, 0

    def told(size: int) -> None:
        nonlocal seen, reported
        seen += size
        if seen - reported >= PROGRESS_BYTES:
            reported = seen
            progress(seen, total)

    notes = Notes()
    rows = read(name, [Source(path, told) for path in paths], Pseudonyms(_secret(key)), notes)
    events = requests = 0
    with replacing(out) as part, pq.ParquetWriter(part, EVENTS, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema=EVENTS))
            events += len(group)
            requests += sum(row["kind"] == "requested" for row in group)
        if not requests:
            reasons = "; ".join(f"{count} {reason}" for reason, count in notes.skipped.items() if count)
            raise InputError(
                f"{', '.join(map(str, paths))}: no request for a completion in {notes.records} records"
                f"{f' ({reasons})' if reasons else ''}; nothing was written"
            )
    progress(seen, total)
    notes.losses[UNKEYED] += 0 if key else events
    return Imported(len(paths), events, requests, notes)


def imported(result: Imported) -> list[Table]:
    """Counts; then what the format could not tell, how often, and what that means."""
    counts = Table("", "count", title="Imported", title_justify="left")
    counts.columns[1].justify = "right"
    skipped = {reason: count for reason, count in sorted(result.notes.skipped.items()) if count}
    for name, count in (
        ("files", result.files),
        ("records", result.notes.records),
        ("events", result.events),
        ("requests", result.requests),
        ("skipped", sum(skipped.values())),
    ):
        counts.add_row(name, f"{count:,}")
    for reason, count in skipped.items():
        counts.add_row(f"  {reason}", f"{count:,}", style="dim")
    losses = Table("field", "times", "what it means", title="What the format cannot tell", title_justify="left")
    losses.columns[1].justify = "right"
    for loss, times in sorted(result.notes.losses.items(), key=lambda item: (-item[1], item[0].field, item[0].meaning)):
        if times:
            losses.add_row(loss.field, f"{times:,}", loss.meaning)
    return [counts, losses]


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(group) >= GROUP_ROWS or size >= GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _secret(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(key) < LEAST_KEY:
        raise InputError(
            f"{path} holds {len(key)} bytes, a key has at least {LEAST_KEY}; make one: openssl rand -hex 32"
        )
    return key

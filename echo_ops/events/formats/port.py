"""What every importer shares: sources in, rows of ``EVENTS`` out, and a count of what the format cannot tell."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from echo_ops.errors import InputError
from echo_ops.events.formats.identity import Pseudonyms
from echo_ops.schema.events import EVENTS, Kind, OffsetUnit

Row = dict[str, Any]
"""An event: columns of ``EVENTS``, times in microseconds; a column that is missing is null."""

LONGEST_LINE = 256 * 2**20
"""Bytes of one record at most; a longer line is no log's."""

_NAMESPACE = uuid.UUID("5d9f8f0e-9a53-5c0b-8f86-3f2c1f0a7f11")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_2100 = 4_102_444_800_000_000  # microseconds since 1970
_EXACT = 2**53  # JSON's writers know no larger whole numbers
_TEXTS = tuple(each.name for each in EVENTS if str(each.type) == "string")
_CALLED = {str: "text", bool: "true or false", int: "a whole number", dict: "an object", list: "a list"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loss:
    """What a format cannot tell; each module lists its own."""

    field: str
    meaning: str


@dataclass
class Notes:
    """What became of the records: written by importers, read by the command's report."""

    records: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    losses: Counter[Loss] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a log, and where it stands."""

    value: dict[str, Any]
    where: str

    def need(self, name: str, kind: type[T]) -> T:
        """A field that the format promises.

        Raises:
            InputError: it is missing or of another type.
        """
        found = self.may(name, kind)
        if found is None:
            raise InputError(f"{self.where}: the field {name} is missing; wanted is {_CALLED[kind]}")
        return found

    def may(self, name: str, kind: type[T]) -> T | None:
        """A field that may be left out or null."""
        found = self.value.get(name)
        if found is None:
            return None
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            raise InputError(f"{self.where}: the field {name} is {_called(found)}, wanted is {_CALLED[kind]}")
        if isinstance(found, int) and abs(found) >= _EXACT:
            raise InputError(f"{self.where}: the field {name} is too large a number; the limit is 2 to the power of 53")
        return found

    def milliseconds(self, name: str) -> int:
        """A duration in microseconds; 0 where it is left out or makes no sense."""
        found = self.value.get(name)
        return round(found * 1000) if isinstance(found, int | float) and 0 <= found < _YEAR_2100 else 0

    def inner(self, name: str) -> Record:
        """An object in a field."""
        return Record(self.need(name, dict), f"{self.where}, {name}")

    def moment(self, name: str) -> int:
        """A time as microseconds since 1970: milliseconds, or ISO 8601, in UTC where it names no zone."""
        found = self.value.get(name)
        at: float | None = None
        if isinstance(found, int | float) and not isinstance(found, bool):
            at = found * 1000
        elif isinstance(found, str):
            try:
                time = datetime.fromisoformat(found)
            except ValueError:
                time = None
            if time is not None:
                at = ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) / timedelta(microseconds=1)
        if at is None or not 0 <= at < _YEAR_2100:
            raise InputError(
                f"{self.where}: the field {name} is no time from 1970 to 2099; "
                "wanted are milliseconds since 1970 or ISO 8601"
            )
        return round(at)

    def one_of(self, name: str, known: Sequence[str], what: str, remedy: str) -> str:
        """A field with a closed vocabulary."""
        found = self.need(name, str)
        if found not in known:
            raise unknown(self.where, what, found, known, remedy)
        return found


class Source:
    """A file that is read once, from front to back.

    Args:
        path: the file.
        told: called with the number of bytes read.
    """

    def __init__(self, path: Path, told: Callable[[int], None] = lambda _: None) -> None:
        self.path = path
        self.told = told

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each line that is not blank, with the name of its place.

        Raises:
            InputError: the file cannot be read, or a line is no UTF-8 or longer than ``LONGEST_LINE``.
        """
        try:
            with self.path.open("rb") as stream:
                for number, raw in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), 1):
                    self.told(len(raw))
                    where = f"{self.path}, line {number}"
                    if len(raw) == LONGEST_LINE:
                        raise InputError(f"{where}: longer than {LONGEST_LINE >> 20} MiB; wanted is one record a line")
                    line = decoded(raw, where)
                    if line.strip():
                        yield where, line
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror or error}") from None

    def records(self) -> Iterator[Record]:
        """Each line as a JSON object."""
        for where, line in self.lines():
            yield Record(parsed(line, where), where)

    def text(self) -> str:
        """The whole file, for formats with one document a file."""
        try:
            if self.path.stat().st_size > LONGEST_LINE:
                raise InputError(
                    f"{self.path} is larger than {LONGEST_LINE >> 20} MiB; wanted is JSON, a record a line"
                )
            raw = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror or error}") from None
        self.told(len(raw))
        return decoded(raw, str(self.path))


Importer = Callable[[Sequence[Source], Pseudonyms, Notes], Iterator[Row]]
"""Reads the files of one format. Rows of a document come in the order of ``seq``."""


def decoded(raw: bytes, where: str) -> str:
    """UTF-8, without a byte order mark."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: byte {error.start + 1} is no UTF-8; convert the file to UTF-8") from None


def parsed(text: str, where: str) -> dict[str, Any]:
    """A JSON object; the error shows none of the text."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}: no JSON ({error.msg} at column {error.colno}); "
            "remove the line if it was cut off, or name the --format that the file has"
        ) from None
    except (ValueError, RecursionError):
        raise InputError(f"{where}: JSON with a number or a nesting that cannot be read") from None
    if not isinstance(value, dict):
        raise InputError(f"{where}: {_called(value)}, wanted is an object; name the --format that the file has")
    return value


def unknown(where: str, what: str, found: str, known: Sequence[str], remedy: str) -> InputError:
    """The error for a value outside a closed vocabulary."""
    return InputError(f"{where}: {what} {found[:40]!r} is unknown; known are {', '.join(known)}; {remedy}")


def event(kind: Kind, at: int, unit: OffsetUnit, **columns: Any) -> Row:
    """An event that happened ``at`` microseconds since 1970. Sources know one clock: it was received then, too."""
    return {"kind": kind, "occurred_at": at, "received_at": at, "offset_unit": unit, **columns}


def identified(row: Row) -> Row:
    """The event with its id, which follows from all of its content; half characters become U+FFFD."""
    for name in _TEXTS:
        text = row.get(name)
        if text is not None and not text.isascii():
            row[name] = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    row["event_id"] = str(uuid.uuid5(_NAMESPACE, json.dumps(row, sort_keys=True)))
    return row


def derived_uuid(*parts: str) -> str:
    """The same id for the same parts."""
    return str(uuid.uuid5(_NAMESPACE, json.dumps(parts)))


def uuid_in(text: str) -> str:
    """The UUID in a source's id (``cmpl-…``), else one derived from it."""
    found = _UUID.search(text)
    return found[0].lower() if found else derived_uuid("id", text)


def at_caret(proposal: str, before: str, after: str) -> str | None:
    """What a replacement of ``before + after`` inserts at the caret between them; None where it changes more."""
    if len(proposal) < len(before) + len(after) or not proposal.startswith(before) or not proposal.endswith(after):
        return None
    return proposal[len(before) : len(proposal) - len(after)]


def edits_text(edits: Sequence[tuple[int, int, str]]) -> str:
    """Edits as the column holds them."""
    return json.dumps([list(edit) for edit in edits], ensure_ascii=False)


def _called(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "null")

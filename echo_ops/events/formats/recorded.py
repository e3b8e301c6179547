"""A document of a workspace recording: its text in UTF-16 units, its caret, what was asked and proposed."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from echo_ops.events.formats.port import Row, derived_uuid, event
from echo_ops.schema.events import Kind

Edit = tuple[int, int, str]
"""Replace ``[start, end)``, in UTF-16 units."""

WINDOW = 8192
"""UTF-16 units of a request's prefix and suffix at most; the whole text is in the document's ``opened`` event."""

REMEMBERED = 16
"""Requests of a document that wait for their result, or whose proposal may still be accepted."""

_RANGE = re.compile(r"^\[(\d+),(\d+) -> (\d+),(\d+)\]$")
_UTF16 = "utf-16-le"
_BREAK = "\n".encode(_UTF16)


@dataclass
class Asked:
    """A request that has no result yet, with the state that its ranges count in."""

    request_id: str
    text: bytes
    caret: int

    def offsets(self, range_: str) -> tuple[int, int] | None:
        """Offsets of VS Code's ``[line,column -> line,column]``, which counts from 1; None where it is outside."""
        found = _RANGE.match(range_)
        if found is None:
            return None
        first, left, last, right = (int(number) for number in found.groups())
        starts = _line_start(self.text, first - 1, self.caret), _line_start(self.text, last - 1, self.caret)
        if starts[0] is None or starts[1] is None or left < 1 or right < 1:
            return None
        start, end = starts[0] + left - 1, starts[1] + right - 1
        return (start, end) if start <= end <= len(self.text) // 2 else None


@dataclass
class Shown:
    """A proposal that may be accepted."""

    request_id: str
    text: str


@dataclass
class Document:
    """What is known of a document while its log is read."""

    path: str
    common: Row
    text: bytearray | None = None  # UTF-16, two bytes a unit; None: not known
    version: int = 0
    caret: int = 0
    seq: int = 0
    edits: list[Edit] = field(default_factory=list)  # of the last change
    early: list[tuple[int, int, int]] = field(default_factory=list)  # requests for a version that is still to come
    asked: OrderedDict[int, Asked] = field(default_factory=OrderedDict)
    shown: deque[Shown] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    answered: int | None = None  # version whose acceptance was told already

    def row(self, kind: Kind, at: int, **columns: object) -> Row:
        """The next event of the document."""
        row = event(kind, at, "utf-16", **self.common, seq=self.seq, version=self.version, **columns)
        self.seq += 1
        return row

    def opens(self, content: str, version: int) -> None:
        """The document has this content now, whatever it had."""
        self.text, self.version, self.caret = bytearray(content.encode(_UTF16, "surrogatepass")), version, 0
        self.early.clear()
        self.asked.clear()
        self.shown.clear()

    def change(self, edits: list[Edit], version: int) -> bool:
        """Apply simultaneous edits; False where they do not fit, and nothing is known any more."""
        text, self.version = self.text, version
        if text is None:
            return False
        edits = sorted(edits, key=lambda edit: edit[:2])
        last = 0
        for start, end, _ in edits:
            if not last <= start <= end <= self.length:
                self.text = None
                return False
            last = end
        grown = 0
        for start, end, new in edits:
            replacement = new.encode(_UTF16, "surrogatepass")
            text[2 * (start + grown) : 2 * (end + grown)] = replacement
            self.caret = start + grown + len(replacement) // 2
            grown += len(replacement) // 2 - (end - start)
        self.edits = edits
        return True

    @property
    def length(self) -> int:
        """UTF-16 units of the text."""
        return len(self.text or b"") // 2

    def content(self) -> str:
        """The whole text."""
        return (self.text or b"").decode(_UTF16, "surrogatepass")

    def window(self) -> Row:
        """The columns of a request at the caret."""
        text, caret = self.text or bytearray(), min(self.caret, self.length)
        start, stop = max(0, caret - WINDOW), min(self.length, caret + WINDOW)
        start += start > 0 and _is_low(text, start)
        stop -= stop < self.length and _is_low(text, stop)
        return {
            "prefix": text[2 * start : 2 * caret].decode(_UTF16, "surrogatepass"),
            "suffix": text[2 * caret : 2 * stop].decode(_UTF16, "surrogatepass"),
            "caret": caret,
            "document_length": self.length,
        }

    def asks(self, number: int, request_id: str) -> None:
        """A request was made in the present state."""
        self.asked[number] = Asked(request_id, bytes(self.text or b""), min(self.caret, self.length))
        while len(self.asked) > REMEMBERED:
            self.asked.popitem(last=False)

    def accepted(self, inserted: list[str], whole: bool) -> Shown | None:
        """The proposal that an accepted edit is of: the newest that holds its text, else the newest."""
        match = next(
            (each for each in reversed(self.shown) if any(text and text in each.text for text in inserted)),
            self.shown[-1] if self.shown else None,
        )
        if whole and match is not None:
            self.shown.remove(match)
        return match


@dataclass
class Recording:
    """One recording: what its header says, and its documents."""

    name: str
    repository: str | None
    user: str
    runs: int = 0
    last: int = 0
    documents: dict[int, Document] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    requests: dict[int, Document] = field(default_factory=dict)

    @property
    def session(self) -> str:
        """One run of the editor."""
        return derived_uuid("recording", self.name, str(self.runs))


def _line_start(text: bytes, line: int, near: int) -> int | None:
    """Where a line begins, in units; found from an offset that is near. Lines end in a line feed, as VS Code's do."""
    here = text[: 2 * near].decode(_UTF16, "surrogatepass").count("\n")
    at: int | None = _before(text, 2 * near)
    while at is not None and here < line:
        at, here = _behind(text, at), here + 1
    while at is not None and here > line:
        at, here = _before(text, at - 2), here - 1
    return None if at is None or line < 0 else at // 2


def _behind(text: bytes, start: int) -> int | None:
    """The byte behind the next line break; two bytes of two units are none."""
    at = text.find(_BREAK, start)
    while at % 2 and at > 0:
        at = text.find(_BREAK, at + 1)
    return None if at < 0 else at + 2


def _before(text: bytes, stop: int) -> int:
    """The byte behind the last line break before ``stop``, else 0."""
    at = text.rfind(_BREAK, 0, stop)
    while at % 2 and at > 0:
        at = text.rfind(_BREAK, 0, at + 1)
    return max(at + 2, 0) if at >= 0 else 0


def _is_low(text: bytearray, at: int) -> bool:
    return 0xDC <= text[2 * at + 1] <= 0xDF

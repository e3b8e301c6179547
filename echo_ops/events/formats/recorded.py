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

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_RANGE = re.compile(r"^\[(\d+),(\d+) -> (\d+),(\d+)\]$")


@dataclass
class Asked:
    """A request that has no result yet, with the text that its ranges count in."""

    request_id: str
    text: str


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
    text: str | None = None  # one character a UTF-16 unit; None: not known
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
        self.text, self.version, self.caret = units(content), version, 0
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
            if not last <= start <= end <= len(text):
                self.text = None
                return False
            last = end
        for start, end, new in reversed(edits):
            text = text[:start] + units(new) + text[end:]
        grown = sum(len(units(new)) - (end - start) for start, end, new in edits[:-1])
        self.caret = edits[-1][0] + grown + len(units(edits[-1][2])) if edits else self.caret
        self.text, self.edits = text, edits
        return True

    def window(self) -> Row:
        """The columns of a request at the caret."""
        text, caret = self.text or "", min(self.caret, len(self.text or ""))
        start, stop = max(0, caret - WINDOW), min(len(text), caret + WINDOW)
        start += start > 0 and _is_low(text, start)
        stop -= stop < len(text) and _is_low(text, stop)
        return {
            "prefix": text[start:caret],
            "suffix": text[caret:stop],
            "caret": caret,
            "document_length": len(text),
        }

    def asks(self, number: int, request_id: str) -> None:
        """A request was made in the present state."""
        self.asked[number] = Asked(request_id, self.text or "")
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


def units(text: str) -> str:
    """One character a UTF-16 unit."""
    return text if text.isascii() else _ASTRAL.sub(_surrogates, text)


def offsets(text: str, range_: str) -> tuple[int, int] | None:
    """Offsets of VS Code's ``[line,column -> line,column]``, which counts from 1; None where it is none of the text."""
    found = _RANGE.match(range_)
    if found is None:
        return None
    first, left, last, right = (int(number) for number in found.groups())
    starts = [0, *(each.end() for each in re.finditer(r"\r\n|\r|\n", text))]
    if not (1 <= first <= len(starts) and 1 <= last <= len(starts) and left >= 1 and right >= 1):
        return None
    start, end = starts[first - 1] + left - 1, starts[last - 1] + right - 1
    return (start, end) if start <= end <= len(text) else None


def _is_low(text: str, at: int) -> bool:
    return "\udc00" <= text[at] <= "\udfff"


def _surrogates(match: re.Match[str]) -> str:
    point = ord(match.group()) - 0x10000
    return chr(0xD800 + (point >> 10)) + chr(0xDC00 + (point & 0x3FF))

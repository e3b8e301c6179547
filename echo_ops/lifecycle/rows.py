"""The events of a table as Python lists. Compiled, so that looking a value up costs no search for its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from echo_ops.lifecycle.edits import Edit

CODE_POINT = "code-point"

UNSEEN = -1
"""In place of a length or a row: there is none."""


Stroke = tuple[Edit, int, int]
"""What was typed or deleted at the caret, and from where to where its start could slide without a difference in the
text (a letter typed next to its like); the caret says that it did not."""


@dataclass(frozen=True)
class Texts:
    """Texts as bytes."""

    data: Any  # memoryview, a type that mypyc does not know
    starts: list[int]
    ends: list[int]

    def text(self, row: int) -> str:
        """One of them, decoded."""
        return str(self.data[self.starts[row] : self.ends[row]], "utf-8")


@dataclass(frozen=True)
class Pieces:
    """Texts, one behind the other."""

    text: str
    bounds: list[int]  # where each begins, and the last one ends

    def piece(self, place: int) -> str:
        """One of them."""
        return self.text[self.bounds[place] : self.bounds[place + 1]]


@dataclass(frozen=True)
class Windows:
    """What the events of a portion show of their documents; decoded when somebody looks."""

    prefixes: Texts
    suffixes: Texts
    prefix_lengths: list[int]  # code points; UNSEEN where there is none, or nobody looks at it
    suffix_lengths: list[int]
    wide: list[bool]  # not all ASCII: then a length may be another one in other units
    before: list[int]  # the row with which a window was compared; UNSEEN where it was not
    strokes: list[Stroke | None]  # what led from that window to this one, where that is plain; an empty edit if nothing


@dataclass(frozen=True)
class Columns:
    """The events of a portion, one entry a row; times in microseconds."""

    kind: list[str]
    occurred_at: list[int]
    received_at: list[int]
    user_id: list[str]
    seq: list[int]
    version: list[int | None]
    request_id: list[str | None]
    caret: list[int | None]
    document_length: list[int | None]
    windows: Windows
    edits: list[list[Edit] | None]
    cause: list[str | None]
    proposal: list[str | None]
    replace_start: list[int | None]
    replace_end: list[int | None]
    offset_unit: list[str]


@dataclass(frozen=True)
class DocumentRows:
    """The events of one document, each once, by ``seq``."""

    rows: list[int]  # in the portion
    several: bool  # more than one user
    converted: bool  # offsets are not all in code points

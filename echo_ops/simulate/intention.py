"""What a programmer means to write at a place: a unit that ends somewhere, and stretches of a file to be written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random

from echo_ops.simulate.sources import Page

LONGEST_STATEMENT = 6
"""Lines; of a longer statement (a docstring, a table) only the line is meant."""

LONGEST_BLOCK = 8
"""Lines of a block that is meant as a whole."""


@dataclass(slots=True)
class Stretch:
    """A part of a page that is missing in the document, to be written from left to right.

    The document holds, where the stretch belongs: what is written, the caret, then the closing brackets that the
    editor put there for the opening ones (``closers``, offsets in the page, the outermost first).
    """

    page: Page
    start: int  # offsets in the page
    end: int
    at: int = field(init=False)  # how far it is written
    closers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at = self.start

    @property
    def rest(self) -> str:
        return self.page.text[self.at : self.end]

    def unit_end(self, chance: Random) -> int:
        """Where the unit ends that is meant at ``at``.

        The rule: inside a word the word (40 %), after ``(`` or ``,`` the rest of the brackets (50 %), at the start of
        a block the block (30 %, up to eight lines); else the rest of the statement, or of the line where the
        statement is longer than six lines.
        """
        text, at = self.page.text, self.at
        roll = chance.random()
        before = text[:at].rstrip()[-1:]
        if (word := re.compile(r"\w+").match(text, at)) and text[at - 1 : at].isalnum() and roll < 0.4:
            return min(word.end(), self.end)
        if before in "(," and roll < 0.5:
            around = [closing for opening, closing in self.page.pairs.items() if opening < at < closing]
            if around:
                return min(*around, self.end)
        if before == ":" and "\n" in text[:at][len(text[:at].rstrip()) :] and roll < 0.3:
            return min(self._block_end(), self.end)
        end = self.page.statement_end(at)
        if text.count("\n", at, end) >= LONGEST_STATEMENT:
            end = text.find("\n", at)
        return min(end, self.end) if end > at else self.end

    def into_gap(self, end: int) -> str:
        """The source up to ``end``, as far as it goes into the gap: a closing bracket may stand after the caret."""
        return self.page.text[self.at : min([end, *(closer for closer in self.closers if closer >= self.at)])]

    def _block_end(self) -> int:
        text = self.page.text
        line_start = text.rfind("\n", 0, self.at) + 1
        indent = self.at - line_start
        end = self.at
        for number, line in enumerate(text[line_start:].split("\n")):
            if number == LONGEST_BLOCK or (line.strip() and len(line) - len(line.lstrip()) < indent):
                break
            if line.strip():
                end = line_start + len(line)
            line_start += len(line) + 1
        return end


def stretches(page: Page, chance: Random, characters: int) -> list[Stretch]:
    """What is missing of a page: one to three stretches of about so many characters together, in the page's order.

    Each runs from the end of a line to the end of a line. One file in ten is written from its start, with nothing
    below; one in seven at its end.
    """
    text = page.text
    kind = chance.random()
    if kind < 0.1:
        return [Stretch(page, 0, _line_end(text, min(characters, len(text))))]
    if kind < 0.25:
        end = len(text.rstrip())
        return [Stretch(page, _line_end(text, max(1, end - characters)), end)]
    count = chance.randint(1, 3)
    found: list[Stretch] = []
    for number in range(count):
        # each in its own part of the page, so that they never meet
        low, high = len(text) * number // count, len(text) * (number + 1) // count
        start = _line_end(text, chance.randint(low, max(low, high - characters // count - 200)))
        end = _line_end(text, min(start + characters // count, len(text)))
        end = start + len(text[start:end].rstrip())
        if end < high and end - start > 20:
            found.append(Stretch(page, start, end))
    if not found:
        start = _line_end(text, 1)
        end = _line_end(text, min(start + characters, len(text)))
        found.append(Stretch(page, start, start + len(text[start:end].rstrip())))
    return found


def without(page: Page, missing: list[Stretch]) -> tuple[str, list[int]]:
    """The page's text without the stretches, and where each belongs in it. A file written from its start is empty."""
    text = page.text
    if missing[0].start == 0:
        return "", [0]
    kept: list[str] = []
    places: list[int] = []
    done = 0
    for stretch in missing:
        kept.append(text[done : stretch.start])
        places.append(sum(map(len, kept)))
        done = stretch.end
    at_end = not text[done:].strip()
    return "".join(kept) + ("" if at_end else text[done:]), places


def _line_end(text: str, offset: int) -> int:
    found = text.find("\n", offset)
    return len(text.rstrip()) if found < 0 else found

"""A pair of hands at an editor: keys, and what the editor adds to them (brackets, indentation)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from echo_ops.simulate.document import Document
from echo_ops.simulate.intention import Stretch
from echo_ops.simulate.truth import Edit

INDENT = 4
"""Spaces that the editor adds after a line that opens a block."""


@dataclass(slots=True)
class Typist:
    """Types a stretch into a document, where its caret stands."""

    document: Document
    stretch: Stretch
    chance: Random
    pace: float  # seconds between two keys
    loose: int = field(default=0, init=False)  # indentation by the editor, before the caret, not yet counted as written

    def last(self) -> str:
        """The character before the caret, the indentation aside."""
        before = self.document.text[max(0, self.document.caret - 40) : self.document.caret]
        line = before[before.rfind("\n") + 1 :]
        return "\n" if not line.strip() else (before.rstrip(" ")[-1:] if before.endswith(("= ", ", ")) else before[-1:])

    def type_next(self) -> None:
        stretch, document = self.stretch, self.document
        text, at, caret = stretch.page.text, stretch.at, document.caret
        key = text[at]
        if stretch.closers and stretch.closers[-1] == at:  # typed over: the caret moves, nothing is edited
            self._key()
            stretch.closers.pop()
            document.select(caret + 1)
            stretch.at += 1
        elif key == "\n":
            self._enter()
        elif at in stretch.page.pairs and stretch.page.pairs[at] < stretch.end and self._closes_itself(key):
            closer = stretch.page.pairs[at]
            self._key()
            document.change([Edit(caret, caret, key + text[closer])], caret + 1)
            stretch.closers.append(closer)
            stretch.at += 1
        else:
            keys = key
            if self.chance.random() < 0.12 and text[at : at + 2].isalnum() and at + 1 < stretch.end:
                keys = text[at : at + 2]  # two keys in one event
            self.insert(keys)
            stretch.at += len(keys)

    def _closes_itself(self, key: str) -> bool:
        """VS Code closes a bracket before white space, a closing bracket, or the end; a quote also not after a word."""
        document = self.document
        following = document.text[document.caret : document.caret + 1]
        before = document.text[document.caret - 1 : document.caret]
        return (not following or following in " \n)]},:") and (key not in "\"'" or not before.isalnum())

    def _enter(self) -> None:
        """A line break with the editor's indentation; a line of nothing but indentation is trimmed."""
        document = self.document
        caret = document.caret
        line_start = document.text.rfind("\n", 0, caret) + 1
        line = document.text[line_start:caret]
        indent = line[: len(line) - len(line.lstrip())]
        self._key()
        if line and not line.strip():
            document.change([Edit(line_start, caret, "\n" + indent)], caret + 1)
        else:
            if line.endswith((":", "(", "[", "{")):
                indent += " " * INDENT
            document.change([Edit(caret, caret, "\n" + indent)], caret + 1 + len(indent))
        self.loose = len(indent)
        self.stretch.at += 1

    def settle_indentation(self) -> None:
        """Before the line's first character: more indentation, or less, where the editor's is not what is meant."""
        rest = self.stretch.rest
        meant = len(rest) - len(rest.lstrip(" "))
        if self.last() != "\n" or rest[meant : meant + 1] in ("\n", "") or not (self.loose or meant):
            return
        document, caret = self.document, self.document.caret
        if meant > self.loose:
            self._key()
            spaces = " " * (meant - self.loose)
            document.change([Edit(caret, caret, spaces)], caret + len(spaces))
        elif meant < self.loose:
            self._key()
            document.change([Edit(caret - self.loose + meant, caret, "")], caret - self.loose + meant)
        self.stretch.at += meant
        self.loose = 0

    def slip(self) -> None:
        """A wrong key, seen at once or after another one, and taken back."""
        wrong = "".join(self.chance.choice("asdfjkle") for _ in range(self.chance.randint(1, 2)))
        if self.stretch.rest[:1].isalnum():
            self.insert(wrong)
            self.wait(self.chance.uniform(0.2, 0.8))
            self.delete(len(wrong), by_key=True)
        else:
            self.type_next()

    def paste(self) -> None:
        """The rest of the statement, from somewhere else."""
        stretch, document = self.stretch, self.document
        end = min(stretch.page.statement_end(stretch.at), stretch.end)
        part = stretch.page.text[stretch.at : end]
        if not part or self.loose or stretch.closers:
            self.type_next()
            return
        self.wait(self.chance.uniform(1, 5))
        document.change([Edit(document.caret, document.caret, part)], document.caret + len(part), "paste")
        stretch.at = end

    def insert(self, keys: str) -> None:
        self._key()
        caret = self.document.caret
        self.document.change([Edit(caret, caret, keys)], caret + len(keys))

    def delete(self, count: int, *, by_key: bool) -> None:
        """Take back what stands before the caret: key by key, or selected and cut."""
        for size in [1] * count if by_key else [count]:
            self._key()
            caret = self.document.caret
            self.document.change([Edit(caret - size, caret, "")], caret - size)

    def _key(self) -> None:
        """The time until the next key."""
        self.wait(self.pace * self.chance.lognormvariate(0, 0.45))

    def wait(self, seconds: float) -> None:
        self.document.now += timedelta(milliseconds=round(seconds * 1000))

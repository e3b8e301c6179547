"""What is known of a document at one moment, and before and after a change: windows, no more.

One of each is made for every event: they are plain classes, for mypyc does not compile what a dataclass generates.
"""

from __future__ import annotations

from typing import Final

from echo_ops.lifecycle.edits import Edit

ANCHOR: Final = 100
"""Characters of unchanged text that confirm a placement (contract.md)."""


class Snapshot:
    """A window of a document around the caret; offsets are absolute, ``length`` is that of the whole document."""

    __slots__ = ("caret", "length", "prefix", "suffix")

    def __init__(self, prefix: str, suffix: str, caret: int, length: int) -> None:
        self.prefix = prefix
        self.suffix = suffix
        self.caret = caret
        self.length = length

    def same(self, other: Snapshot) -> bool:
        """Whether both show the same."""
        return (
            self.caret == other.caret
            and self.length == other.length
            and self.prefix == other.prefix
            and self.suffix == other.suffix
        )

    @property
    def start(self) -> int:
        """Where the window begins."""
        return self.caret - len(self.prefix)

    @property
    def text(self) -> str:
        """All that is seen."""
        return self.prefix + self.suffix


class States:
    """What is known of a document before and after something changed. Offsets are absolute.

    Edits are in old offsets. Behind all that changed, a new offset is the old one plus ``grown``.
    """

    __slots__ = ("new", "new_caret", "new_length", "new_start", "old", "old_caret", "old_length", "old_start")

    def __init__(
        self,
        old_start: int,
        old: str,
        old_length: int,  # of the whole document
        old_caret: int | None,  # None: not known
        new_start: int,
        new: str,
        new_length: int,
        new_caret: int,
    ) -> None:
        self.old_start = old_start
        self.old = old
        self.old_length = old_length
        self.old_caret = old_caret
        self.new_start = new_start
        self.new = new
        self.new_length = new_length
        self.new_caret = new_caret

    @property
    def grown(self) -> int:
        """By how much the document became longer."""
        return self.new_length - self.old_length

    def was(self, start: int, end: int) -> str:
        """Old text."""
        return self.old[max(start - self.old_start, 0) : max(end - self.old_start, 0)]

    def became(self, start: int, end: int) -> str:
        """New text, in new offsets."""
        return self.new[max(start - self.new_start, 0) : max(end - self.new_start, 0)]

    def lines(self, edit: Edit) -> Edit | None:
        """The same change as one of whole lines, with one line more to either side, as far as both states show them.

        None where they do not show all of it.
        """
        start, end, _ = edit
        old, old_start = self.old, self.old_start
        first = old.rfind("\n", 0, start - old_start)
        low = max(old.rfind("\n", 0, max(first, 0)) + 1, self.new_start - old_start, 0)
        last = old.find("\n", end - old_start)
        last = -1 if last < 0 else old.find("\n", last + 1)
        high = min(len(old) if last < 0 else last + 1, self.new_start + len(self.new) - self.grown - old_start)
        if high < end - old_start or low > start - old_start:
            return None
        low, high = low + old_start, high + old_start
        return low, high, self.became(low, high + self.grown)

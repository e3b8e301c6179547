"""What is known of a document at one moment, and before and after a change: windows, no more.

One of each is made for every event: they are plain classes, for mypyc does not compile what a dataclass generates.
"""

from __future__ import annotations

from echo_ops.lifecycle.edits import Edit
from echo_ops.lifecycle.rows import UNSEEN, Stroke, Windows

ANCHOR = 100
"""Characters of unchanged text that confirm a placement (contract.md)."""


class Snapshot:
    """A window of a document around the caret; offsets are absolute, ``length`` is that of the whole document."""

    __slots__ = ("_prefix", "_suffix", "_windows", "caret", "length", "row", "start", "stop")

    def __init__(self, prefix: str, suffix: str, caret: int, length: int) -> None:
        self._prefix: str | None = prefix
        self._suffix: str | None = suffix
        self._windows: Windows | None = None  # among which its texts lie
        self.row = UNSEEN
        self.caret = caret
        self.length = length
        self.start = caret - len(prefix)
        self.stop = caret + len(suffix)

    @staticmethod
    def of_row(windows: Windows, row: int, caret: int, length: int) -> Snapshot:
        """Both windows of a row, which are there; decoded when somebody looks at them."""
        snapshot = Snapshot("", "", caret, length)
        snapshot._prefix = snapshot._suffix = None
        snapshot._windows, snapshot.row = windows, row
        snapshot.start = caret - windows.prefix_lengths[row]
        snapshot.stop = caret + windows.suffix_lengths[row]
        return snapshot

    @property
    def prefix(self) -> str:
        """What is seen before the caret."""
        if self._prefix is None:
            assert self._windows is not None
            self._prefix = self._windows.prefixes.text(self.row)
        return self._prefix

    @property
    def suffix(self) -> str:
        """What is seen behind the caret."""
        if self._suffix is None:
            assert self._windows is not None
            self._suffix = self._windows.suffixes.text(self.row)
        return self._suffix

    def since(self, before: Snapshot) -> Stroke | None:
        """What led here from another window, if both were compared before and it is plain."""
        windows = self._windows
        if windows is None or before.row == UNSEEN or windows.before[self.row] != before.row:
            return None
        return windows.strokes[self.row]

    def same(self, other: Snapshot) -> bool:
        """Whether both show the same."""
        stroke = self.since(other)
        if stroke is not None:
            return stroke[0][0] == stroke[0][1] and not stroke[0][2]
        return (
            self.caret == other.caret
            and self.length == other.length
            and self.prefix == other.prefix
            and self.suffix == other.suffix
        )

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

"""Typing at one place, held back until something else happens.

To every gap a run of typing is one edit: a gap that the first letter touches holds all that follow, one that it does
not touch holds none, as long as no gap opens and nothing comes due in between. So the gaps and the known text are
visited once a run, and a keystroke costs no more than to see that it is one.
"""

from __future__ import annotations

from typing import Final

from echo_ops.lifecycle.edits import Edit, common_end, common_start
from echo_ops.lifecycle.states import ANCHOR, Snapshot

NO_KEYSTROKE: Final[tuple[Edit, int, int]] = ((0, 0, ""), 1, 0)
"""Nothing, with no place to slide to. (None would do, but mypyc then makes an object of every keystroke.)"""


class TypingRun:
    """An insertion that grows and shrinks at its end."""

    __slots__ = ("began", "ended", "start", "text", "view")

    def __init__(self) -> None:
        self.start = 0
        self.text = ""  # empty: no run
        self.began = 0  # time of the first keystroke
        self.ended = 0  # and of the last
        self.view: Snapshot | None = None  # what was seen of it last

    def take(self, edit: Edit, at: int) -> bool:
        """Whether an edit starts the run or goes on with it; then it is in it. Offsets are those before the edit."""
        start, end, text = edit
        run = self.text
        if start == end:
            if not text:
                return False
            if not run:
                self.start, self.began = start, at
            elif start != self.start + len(run):
                return False
            self.text = run + text
        elif text or end != self.start + len(run) or end - start >= len(run):
            return False
        else:
            self.text = run[: start - end]
        self.ended = at
        return True


def keystroke(before: Snapshot, now: Snapshot) -> tuple[Edit, int, int]:
    """What was typed or deleted at the caret between two snapshots in a row, where there is no doubt about it.

    There is none when both windows agree but for the text before the caret, with at least ``ANCHOR`` unchanged
    characters or the document's end on either side.

    Returns:
        The edit, and from where to where its start could slide without a difference in the text (a letter typed next
        to its like); the caret says that it did not. ``NO_KEYSTROKE`` where it was something else, or may have been:
        Enter behind blanks, which an editor may trim, or lines copied.
    """
    grown = now.length - before.length
    prefix, suffix, caret = now.prefix, now.suffix, now.caret
    old = before.prefix
    if (
        caret - before.caret != grown
        or suffix != before.suffix
        or (len(suffix) < ANCHOR and caret + len(suffix) != now.length)
    ):
        return NO_KEYSTROKE
    if grown > 0:
        same = len(prefix) - grown
        if (same < ANCHOR and same != before.caret) or not old.endswith(prefix[:same]):
            return NO_KEYSTROKE
        text = prefix[same:]
        breaks = "\n" in text or "\r" in text
        if breaks and old[-1:] in (" ", "\t"):
            return NO_KEYSTROKE
        low = high = before.caret
        if text[0] == suffix[:1]:
            high += _slides_right(text, suffix)
        if text[-1] == old[-1:]:
            low -= _slides_left(text, old)
        if breaks and high - low >= len(text) > 1 and text.strip():
            return NO_KEYSTROKE
        return (before.caret, before.caret, text), low, high
    same = len(old) + grown
    if grown == 0 or same < 0 or (same < ANCHOR and same != caret) or not prefix.endswith(old[:same]):
        return NO_KEYSTROKE
    text = old[same:]
    low = high = caret
    if text[0] == suffix[:1]:
        high += _slides_right(text, suffix)
    if same and text[-1] == old[same - 1]:
        low -= _slides_left(text, old[:same])
    return (caret, before.caret, ""), low, high


def _slides_right(text: str, after: str) -> int:
    """By how much ``text`` could stand further right without a difference."""
    return len(after) - len(after.lstrip(text)) if len(text) == 1 else common_start(after, text + after)


def _slides_left(text: str, before: str) -> int:
    return len(before) - len(before.rstrip(text)) if len(text) == 1 else common_end(before, before + text)

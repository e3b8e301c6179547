"""Typing at one place, held back until something else happens.

To every gap a run of typing is one edit: a gap that the first letter touches holds all that follow, one that it does
not touch holds none, as long as no gap opens and nothing comes due in between. To the known text it is one edit until
somebody looks. So both are visited once a run, and a keystroke costs no more than to see that it is one.
"""

from __future__ import annotations

from echo_ops.lifecycle.edits import Edit, common_end, common_start
from echo_ops.lifecycle.rows import Pieces, Stroke
from echo_ops.lifecycle.states import ANCHOR, Snapshot

NEAR = 64
"""Characters to either side of what was typed that are looked at for its like, before all of the window is."""


class TypingRun:
    """An insertion that grows and shrinks at its end."""

    __slots__ = ("began", "ended", "start", "text")

    def __init__(self) -> None:
        self.start = 0
        self.text = ""  # empty: no run
        self.began = 0  # time of the first keystroke
        self.ended = 0  # and of the last

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


def keystroke(before: Snapshot, now: Snapshot) -> Stroke | None:
    """What was typed or deleted at the caret between two snapshots in a row, where there is no doubt about it.

    There is none when both windows agree but for the text before the caret, with at least ``ANCHOR`` unchanged
    characters or the document's end on either side.

    Returns:
        None where it was something else, or may have been: see ``slid``.
    """
    stroke = now.since(before)
    if stroke is not None:
        return None if now.length == before.length else stroke
    grown = now.length - before.length
    prefix, suffix, caret = now.prefix, now.suffix, now.caret
    old = before.prefix
    if (
        caret - before.caret != grown
        or suffix != before.suffix
        or (len(suffix) < ANCHOR and caret + len(suffix) != now.length)
    ):
        return None
    if grown > 0:
        same = len(prefix) - grown
        if (same < ANCHOR and same != before.caret) or not old.endswith(prefix[:same]):
            return None
        text = prefix[same:]
        return slid((before.caret, before.caret, text), text, old, suffix)
    same = len(old) + grown
    if grown == 0 or same < 0 or (same < ANCHOR and same != caret) or not prefix.endswith(old[:same]):
        return None
    return slid((caret, before.caret, ""), old[same:], old[:same], suffix)


def strokes(starts: list[int], ends: list[int], texts: Pieces) -> list[Stroke | None]:
    """Edits at the caret that could not slide, each from where to where, and what came."""
    found: list[Stroke | None] = []
    for place in range(len(starts)):
        start = starts[place]
        edit: Edit = (start, ends[place], texts.piece(place))
        found.append((edit, start, start))
    return found


def slide(found: list[Stroke | None], places: list[int], texts: Pieces, before: Pieces, behind: Pieces) -> None:
    """Tell of some strokes how far they could slide; what ``slid`` does not take, or cannot tell, becomes None.

    Args:
        found: the strokes.
        places: of those that may slide.
        texts: what came or went, one a place.
        before: up to ``NEAR`` unchanged characters before it.
        behind: up to ``NEAR`` behind it.
    """
    for index in range(len(places)):
        stroke = found[places[index]]
        assert stroke is not None
        told = slid(stroke[0], texts.piece(index), before.piece(index), behind.piece(index))
        if told is not None and told[2] - told[1] >= NEAR:
            told = None
        found[places[index]] = told


def slid(edit: Edit, text: str, before: str, behind: str) -> Stroke | None:
    """An edit at the caret, and whether it may have been one next to it.

    Args:
        edit: an insertion or a deletion.
        text: what came or went.
        before: unchanged text before it.
        behind: unchanged text behind it.

    Returns:
        None where an editor may have done something besides: Enter behind blanks, which may be trimmed; lines copied.
    """
    low = high = edit[0]
    breaks = bool(edit[2]) and ("\n" in text or "\r" in text)
    if breaks and before[-1:] in (" ", "\t"):
        return None
    if text[0] == behind[:1]:
        high += _slides_right(text, behind)
    if text[-1] == before[-1:]:
        low -= _slides_left(text, before)
    if breaks and high - low >= len(text) > 1 and text.strip():
        return None
    return edit, low, high


def _slides_right(text: str, after: str) -> int:
    """By how much ``text`` could stand further right without a difference."""
    return len(after) - len(after.lstrip(text)) if len(text) == 1 else common_start(after, text + after)


def _slides_left(text: str, before: str) -> int:
    return len(before) - len(before.rstrip(text)) if len(text) == 1 else common_end(before, before + text)

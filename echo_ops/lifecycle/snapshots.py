"""Snapshots: the edits between two states of a document, of which only windows are known.

Both states are compared from the left by offset, and from the right by distance from the end; what differs between
is the edit. Where it could slide without a difference in the text (``slides``), the caret says where it was; where
several places changed at once, the stretch is taken apart (``pieces``).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from echo_ops.lifecycle.edits import Edit, common_end, common_start
from echo_ops.lifecycle.gap import UNKNOWN
from echo_ops.lifecycle.pieces import pieces, recognised
from echo_ops.lifecycle.placing import only_place
from echo_ops.lifecycle.slides import BREAKS, settle
from echo_ops.lifecycle.states import ANCHOR, States

MIN_ANCHOR: Final = 8
"""Characters of unchanged text without which a window smaller than four anchors places nothing."""

FAR: Final = 20
"""Unchanged characters inside a replaced stretch that speak for several changes, where nothing else does."""


class Derived:
    """What must have happened between two states.

    Args:
        edits: in ascending order.
        sure: the windows leave no other reading than this one (for a client that reports every change).
        slide: an edge of a gap from … to … may be on either side of the edit.
        settled: something says where in the slide.
        blind: the windows do not meet: only the caret and the lengths speak.
        within: where the windows end that show it, if it may reach beyond (old offsets).
    """

    __slots__ = ("blind", "edits", "settled", "slide", "sure", "within")

    def __init__(
        self,
        edits: tuple[Edit, ...],
        sure: bool = False,
        slide: tuple[int, int] | None = None,
        settled: bool = True,
        blind: bool = False,
        within: tuple[int, int] | None = None,
    ) -> None:
        self.edits = edits
        self.sure = sure
        self.slide = slide
        self.settled = settled
        self.blind = blind
        self.within = within


def derive(states: States, one: bool | None = True) -> Derived:
    """The edits that lead from one state to the next.

    Args:
        states: before and after.
        one: whether a single event lies between; None: not known.
    """
    old_start, old, length = states.old_start, states.old, states.old_length
    new_start, new, grown = states.new_start, states.new, states.grown
    old_stop, new_stop = old_start + len(old), new_start + len(new)
    low = max(old_start, new_start)
    high = min(old_stop, new_stop - grown)  # in old offsets
    if low > min(old_stop, new_stop) or high < max(old_start, new_start - grown) or high < 0:
        return _at_the_caret(states)
    same_left = common_start(old[low - old_start :], new[low - new_start :])
    if grown == 0 and low + same_left >= high:
        return Derived((), sure=low == 0 and high == length)
    same_right = common_end(states.was(old_start, high), states.became(new_start, high + grown))
    enough = min(ANCHOR, max(len(new) // 4, MIN_ANCHOR))
    sure_left, sure_right = low == 0 or same_left >= enough, high == length or same_right >= enough
    if not (sure_left and sure_right):
        beyond = _beyond(states, low, sure_left, sure_right, one)
        if beyond is not None:
            return beyond
    start, end = low + same_left, high - same_right
    if not (sure_left or sure_right) or (not sure_left and end <= low) or (not sure_right and start >= high):
        return _at_the_caret(states)  # it lies beyond what both windows show
    within: tuple[int, int] | None = None
    if (not sure_left and same_left == 0) or (not sure_right and same_right == 0):
        within = (0 if sure_left or same_left else low, length if sure_right or same_right else high)
    anchored = (low == 0 or same_left >= ANCHOR) and (high == length or same_right >= ANCHOR)
    return _between(states, start, end, sure_left and sure_right and anchored, within, one)


def _between(
    states: States, start: int, end: int, sure: bool, within: tuple[int, int] | None, one: bool | None
) -> Derived:
    """What happened in ``[start, end)``, where the states differ."""
    grown = states.grown
    trimmed = _trimmed(states, start, end)
    if trimmed is not None:
        return Derived(trimmed, within=within)
    slack = start - min(end, end + grown)
    if slack >= 0 and grown != 0:  # a pure insertion or deletion, which may slide to the left by as much
        place, settled = settle(states, start - slack, start)
        text = states.became(place, place + max(grown, 0))
        if place < states.new_start or len(text) < grown:
            return _at_the_caret(states)
        if slack >= len(text) > 1 and "\n" in text and text.strip():
            settled = False  # a line copied up or down: the caret is somewhere in it, and says nothing
        slide = (start - slack, start) if slack else None
        return Derived(((place, place + max(-grown, 0), text),), sure, slide, settled, within=within)
    if end < start or end + grown < start:  # the comparisons meet without a length to explain it
        end = max(start, start - grown)
    stop = end + grown
    whole = (start, end, states.became(start, stop))
    several = _several(states, whole)
    if several is not None:
        return Derived(several, within=within)
    behind = states.became(stop, states.new_caret)
    at_its_end = within is not None or (states.new_caret >= stop and "\n" not in behind)
    rewritten = states.new_caret == states.new_length > stop and states.old_caret != states.old_length
    if at_its_end and (one or (one is None and not _far_apart(_apart(states, whole)))):
        # One replacement, which left the caret at its end; several are not ruled out where much was replaced,
        # nor next to an edge of a gap, where it would matter.
        sure = sure and not behind and min(end - start, stop - start) <= ANCHOR // 4
        return Derived((whole,), sure, slide=(start, end), within=within)
    if one and rewritten:
        return Derived((whole,), slide=(start, end), within=within)
    return Derived(_apart(states, whole), within=within)


def _at_the_caret(states: States) -> Derived:
    """The windows do not meet: all that is left is that an edit ends at the caret."""
    grown, caret = states.grown, states.new_caret
    if grown == 0:
        return Derived((), blind=True)
    start = max(caret - max(grown, 0), 0)
    text = states.became(start, caret) if grown > 0 else ""
    return Derived(((start, start + max(-grown, 0), text.rjust(max(grown, 0), UNKNOWN)),), blind=True)


def _beyond(states: States, low: int, left: bool, right: bool, one: bool | None) -> Derived | None:
    """A change that began before the window, or behind it, and moved what the window shows: an import, a rename.

    The characters at the end of the window are looked up in the old text; where they stand elsewhere, the rest is
    compared as if what is not seen had happened before.
    """
    old_start, old, length = states.old_start, states.old, states.old_length
    if not left:
        seen_from = states.new[low - states.new_start :]
        found = only_place(old, seen_from[:ANCHOR], seen_from)
        if found is not None and old_start + found != low:
            shift = low - old_start - found
            caret = None if states.old_caret is None else states.old_caret + shift
            before = (low, old[found:], length + shift, caret)
            moved = derive(States(*before, states.new_start, states.new, states.new_length, states.new_caret), one)
            if moved.blind or old_start + found < max(-shift, 0):
                return None
            edits = [(start - shift, end - shift, text) for start, end, text in moved.edits]
            outside: Edit = (0, max(-shift, 0), UNKNOWN * max(shift, 0))
            slide = moved.slide and (moved.slide[0] - shift, moved.slide[1] - shift)
            within = (old_start + found, moved.within[1] - shift if moved.within else length)
            return Derived((outside, *edits), slide=slide, settled=moved.settled, within=within)
    if not right:
        stop = min(len(states.new), old_start + len(old) + max(states.grown, 0) - states.new_start)
        probe = states.new[max(stop - ANCHOR, 0) : stop]
        found = only_place(old, probe, "")
        if found is not None:
            end = found + len(probe)
            shift = states.grown - (states.new_start + stop - old_start - end)
            if shift == 0 or length + shift < old_start + end:
                return None
            before = (old_start, old[:end], length + shift, states.old_caret)
            seen = states.new[:stop]
            moved = derive(States(*before, states.new_start, seen, states.new_length, states.new_caret), one)
            outside = (length - max(-shift, 0), length, UNKNOWN * max(shift, 0))
            if moved.blind or moved.within or (moved.edits and moved.edits[-1][1] > outside[0]):
                return None
            within = (0, old_start + end)
            return Derived((*moved.edits, outside), slide=moved.slide, settled=moved.settled, within=within)
    return None


def _several(states: States, whole: Edit) -> tuple[Edit, ...] | None:
    """The several places of one event; None where it reads as one replacement."""
    stretch = states.lines(whole)
    if stretch is None:
        return None
    at, stop, _ = stretch
    was = states.was(at, stop)
    found = pieces(stretch, was, states.old_caret, states.new_caret)
    kept = whole[1] - whole[0] - sum(end - start for start, end, _ in found)
    if kept > 0 and recognised(found, at, was, states.old_caret, states.new_caret):
        return tuple(found)
    return None


def _apart(states: States, whole: Edit) -> tuple[Edit, ...]:
    """A change as the several places that differ in it."""
    stretch = states.lines(whole)
    if stretch is None:
        return (whole,)
    return tuple(pieces(stretch, states.was(*stretch[:2]), states.old_caret, states.new_caret)) or (whole,)


def _far_apart(found: tuple[Edit, ...]) -> bool:
    """Whether much between the first and the last change is as it was."""
    return sum(later[0] - earlier[1] for earlier, later in pairwise(found)) >= FAR


def _trimmed(states: States, start: int, end: int) -> tuple[Edit, ...] | None:
    """Blanks that an editor trims from a line of nothing else, while something happens elsewhere: two edits in one.

    Their texts alone read as one edit: Enter at the end of such a line as a break typed before the blanks, and going
    back to it as one typed behind them.
    """
    caret, grown = states.old_caret, states.grown
    # Enter on a line of blanks: they go, and the break comes with new ones at the caret.
    if caret is not None and grown > 0 and start < caret <= states.old_start + len(states.old) and end <= caret:
        first = states.old_start + len(states.was(states.old_start, caret).rstrip(" \t"))
        inserted = states.became(first, caret + grown) if first >= states.new_start else ""
        if first <= start and first < caret and inserted[:1] in BREAKS and inserted and not inserted.strip():
            return (first, caret, ""), (caret, caret, inserted)
    was, is_now = states.was(start, max(end, start)), states.became(start, max(end + grown, start))
    blanks = was[: len(was) - len(was.lstrip(" \t"))]
    if (
        blanks
        and is_now
        and was[len(blanks) : len(blanks) + 1] in BREAKS
        and len(was) > len(blanks)
        and is_now[0] in BREAKS
    ):
        rest, at = was[len(blanks) :], start + len(blanks)
        same = common_start(rest, is_now)
        rest, is_now = rest[same:], is_now[same:]
        tail = common_end(rest, is_now)
        one: Edit = (start, at, "")
        other: Edit = (at + same, end - tail, is_now[: len(is_now) - tail])
        return (one, other) if other[1] > other[0] or other[2] else (one,)
    # Back on the line before: its blanks come again, those behind the break go.
    ahead = is_now.lstrip(" \t")
    if ahead in ("\n", "\r\n") and len(is_now) > len(ahead) and was == ahead + is_now[: len(is_now) - len(ahead)]:
        return (start, start, is_now[: len(is_now) - len(ahead)]), (start + len(ahead), end, "")
    return None

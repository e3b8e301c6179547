"""Snapshots: the edit between two states of a document, of which only windows are known.

Both states are compared from the left by offset, and from the right by distance from the end; what differs between
is the edit. Where an insertion or a deletion could slide without a difference in the text (a letter typed next to
its like, a line copied), the caret says where it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from echo_ops.lifecycle.edits import Edit, common_end, common_start
from echo_ops.lifecycle.gap import UNKNOWN
from echo_ops.lifecycle.typing_run import ANCHOR, Snapshot

BREAKS = ("\n", "\r")

MAX_REFINED = 4_000
"""Characters to either side up to which a change of several places is taken apart."""


@dataclass(frozen=True)
class Derived:
    """What must have happened between two states."""

    edits: tuple[Edit, ...]
    sure: bool  # the windows leave no other reading than this one (for a client that reports every change)
    slide: tuple[int, int] | None = None  # an edge of a gap from … to … may be on either side of the edit
    settled: bool = True  # the caret says where in the slide
    blind: bool = False  # the windows do not meet: only the caret and the lengths speak
    within: tuple[int, int] | None = None  # where the windows end that show it, if it may reach beyond (old offsets)


def derive(known: tuple[int, str], length: int, caret: int | None, now: Snapshot) -> Derived:
    """The edits that lead from a known state to a snapshot.

    Args:
        known: a fragment of the old state, as (start, text).
        length: length of the old document.
        caret: where the caret was, if known.
        now: the new state.
    """
    old_start, old = known
    new_start, new = now.start, now.text
    delta = now.length - length
    old_stop, new_stop = old_start + len(old), new_start + len(new)
    low = max(old_start, new_start)
    high = min(old_stop, new_stop - delta)  # in old offsets
    if low > min(old_stop, new_stop) or high < max(old_start, new_start - delta) or high < 0:
        return _at_the_caret(now, delta)
    at_once = _at_once(old, new, now.caret, delta, low, high, old_start, new_start, length)
    if at_once is not None:
        return at_once
    same_left = common_start(old[low - old_start :], new[low - new_start :])
    if delta == 0 and low + same_left >= high:
        return Derived((), sure=_whole(low, high, length))
    right_old, right_new = old[: high - old_start], new[: max(high + delta - new_start, 0)]
    same_right = common_end(right_old, right_new)
    sure_left = low == 0 or same_left >= ANCHOR
    sure_right = high == length or same_right >= ANCHOR
    start, end = low + same_left, high - same_right
    if (not sure_left and not sure_right) or (not sure_left and end <= low) or (not sure_right and start >= high):
        return _at_the_caret(now, delta)  # it lies beyond what both windows show
    sure = sure_left and sure_right
    open_left, open_right = not sure_left and same_left == 0, not sure_right and same_right == 0
    within: tuple[int, int] | None = (
        (low if open_left else 0, high if open_right else length) if open_left or open_right else None
    )
    trimmed = _trimmed(old_start, old, new_start, new, start, end, delta, caret)
    if trimmed is not None:
        return Derived(trimmed, sure=False, within=within)
    slack = start - min(end, end + delta)
    if slack >= 0 and delta != 0:  # a pure insertion or deletion, which may slide to the left by as much
        first = start - slack
        place, settled = _settled(first, start, delta, caret, now.caret)
        removed = max(-delta, 0)
        inserted = new[place - new_start : place - new_start + max(delta, 0)]
        if place < new_start or len(inserted) < delta:
            return _at_the_caret(now, delta)
        slide = (first, start) if slack else None
        if slack >= len(inserted) > 1 and "\n" in inserted and inserted.strip():
            settled = False  # a line copied up or down: the caret is somewhere in it, and says nothing
        return Derived(((place, place + removed, inserted),), sure, slide, settled, within=within)
    stop_new = end + delta
    if stop_new < start or end < start:  # the comparisons meet without a length to explain it
        end, stop_new = max(start, end, start - delta), max(start, end, start - delta) + delta
    text = new[start - new_start : stop_new - new_start]
    whole = (start, end, text)
    behind = new[stop_new - new_start : now.caret - new_start]
    if within is not None or (now.caret >= stop_new and "\n" not in behind):
        # One replacement, which left the caret at its end; several are not ruled out where much was replaced,
        # nor next to an edge of a gap, where it would matter.
        sure = sure and not behind and min(end - start, len(text)) <= ANCHOR // 4
        return Derived((whole,), sure, slide=(start, end), within=within)
    return Derived(_refined(whole, old_start, old, caret), sure=False, within=within)


def _at_once(
    old: str, new: str, caret: int, delta: int, low: int, high: int, old_start: int, new_start: int, length: int
) -> Derived | None:
    """What nearly every state shows, with two comparisons: an insertion or a deletion that ends at the caret.

    None where it is something else, or where it could slide.
    """
    start = caret - delta if delta > 0 else caret
    end = caret if delta > 0 else caret - delta
    if (
        delta == 0
        or start - low < (ANCHOR if low else 0)
        or high - (end - delta if delta > 0 else end) < (0 if high == length else ANCHOR)
    ):
        return None
    at, to = start - old_start, start - new_start
    if delta > 0:
        text = new[to : to + delta]
        if "\n" in text or "\r" in text:  # Enter may trim blanks
            return None
        if (at < len(old) and old[at] == text[0]) or (at > 0 and old[at - 1] == text[-1]):
            return None
        stop = at
        edit: Edit = (start, start, text)
    else:
        stop = end - old_start
        if (stop < len(old) and old[at] == old[stop]) or (at > 0 and old[at - 1] == old[stop - 1]):
            return None
        edit = (start, end, "")
    size = high - old_start - stop
    if old[low - old_start : at] != new[low - new_start : to]:
        return None
    after = to + max(delta, 0)
    if old[stop : stop + size] != new[after : after + size]:
        return None
    return Derived((edit,), sure=True)


def _trimmed(
    old_start: int, old: str, new_start: int, new: str, start: int, end: int, delta: int, caret: int | None
) -> tuple[Edit, ...] | None:
    """Blanks that an editor trims from a line of nothing else, while something happens elsewhere: two edits in one.

    Their texts alone read as one edit: Enter at the end of such a line as a break typed before the blanks, and going
    back to it as one typed behind them.
    """
    stop = end + delta
    # Enter on a line of blanks: they go, and the break comes with new ones at the caret.
    if caret is not None and delta > 0 and start < caret <= old_start + len(old) and end <= caret:
        text = old[: caret - old_start]
        first = old_start + len(text.rstrip(" \t"))
        inserted = new[first - new_start : caret + delta - new_start] if first >= new_start else ""
        if first <= start and first < caret and inserted[:1] in BREAKS and inserted and not inserted.strip():
            return (first, caret, ""), (caret, caret, inserted)
    was, is_now = (
        old[start - old_start : max(end, start) - old_start],
        new[start - new_start : max(stop, start) - new_start],
    )
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
    if is_now and was == is_now.lstrip(" \t") + is_now[: len(is_now) - len(is_now.lstrip(" \t"))]:
        ahead = is_now.lstrip(" \t")
        if ahead in ("\n", "\r\n") and len(is_now) > len(ahead):
            return (start, start, is_now[: len(is_now) - len(ahead)]), (start + len(ahead), end, "")
    return None


def align(start: int, old: str, length: int, caret: int, prefix: str, suffix: str) -> Snapshot | None:
    """Place a window without offsets on a known text, in the offsets of that text; None where nothing fits.

    The first and the last characters of the window are looked up in the old text, or those of the old text in the
    window, nearest to where they would be if nothing had changed. Their distance gives the change of length.
    """
    text = prefix + suffix
    expected = caret - len(prefix) - start
    head = _nearest(old, text[:ANCHOR], max(expected, 0))
    if head is None:
        inverse = _nearest(text, old[:ANCHOR], max(-expected, 0))
        head = None if inverse is None else -inverse
    tail = _nearest(old, text[-ANCHOR:], max(len(old) - ANCHOR, 0), last=True)
    if tail is not None:
        stop = tail + len(text[-ANCHOR:])
    else:
        inverse = _nearest(text, old[-ANCHOR:], max(len(text) - ANCHOR, 0), last=True)
        if inverse is not None:
            stop = len(old) + len(text) - inverse - len(old[-ANCHOR:])
        elif head is None:
            return None
        else:
            stop = len(old)
    if head is None:
        head = 0
    delta = len(text) - (stop - head)
    return Snapshot(prefix, suffix, start + head + len(prefix), length + delta)


def _nearest(text: str, wanted: str, expected: int, last: bool = False) -> int | None:
    """Where ``wanted`` stands in ``text``, nearest to ``expected``."""
    if not wanted:
        return None
    after, before = text.find(wanted, expected), text.rfind(wanted, 0, expected + len(wanted))
    if after < 0 or before < 0:
        found = max(after, before)
        return None if found < 0 else found
    if last and after - expected == expected - before:
        return after
    return after if after - expected < expected - before else before


def _settled(first: int, last: int, delta: int, before: int | None, after: int) -> tuple[int, bool]:
    """Where in ``first … last`` the edit began, and whether a caret says so."""
    if first == last:
        return first, True
    ended = after - max(delta, 0)
    if first <= ended <= last:
        return ended, True
    if before is not None and first <= before - max(-delta, 0) <= last:
        return before - max(-delta, 0), True
    return min(max(ended, first), last), False


def _at_the_caret(now: Snapshot, delta: int) -> Derived:
    """The windows do not meet: all that is left is that an edit ends at the caret."""
    if delta == 0:
        return Derived((), sure=False, blind=True)
    start = max(now.caret - max(delta, 0), 0)
    offset = start - now.start
    text = now.text[max(offset, 0) : now.caret - now.start] if delta > 0 else ""
    text = text.rjust(max(delta, 0), UNKNOWN)
    return Derived(((start, start + max(-delta, 0), text),), sure=False, blind=True)


def _whole(low: int, high: int, length: int) -> bool:
    return low == 0 and high == length


def _refined(whole: Edit, old_start: int, old: str, caret: int | None) -> tuple[Edit, ...]:
    """One change of a stretch as the several places that differ in it."""
    start, end, text = whole
    was = old[start - old_start : end - old_start]
    if not was or not text or len(was) > MAX_REFINED or len(text) > MAX_REFINED:
        return (whole,)
    edits: list[Edit] = []
    lines, new_lines = was.split("\n"), text.split("\n")
    if len(lines) == len(new_lines) > 1:  # the same lines, indented or renamed
        at = start
        for line, new_line in zip(lines, new_lines, strict=True):
            if line != new_line:
                same = common_start(line, new_line)
                tail = common_end(line[same:], new_line[same:])
                edits.append((at + same, at + len(line) - tail, new_line[same : len(new_line) - tail]))
            at += len(line) + 1
        return tuple(edits)
    at_old = at_new = 0
    for block in SequenceMatcher(None, was, text, autojunk=len(was) > 2000).get_matching_blocks():
        if 0 < block.size < 4 and block.a + block.size < len(was):
            continue  # a letter or two in common is no sign that nothing changed there
        if block.a > at_old or block.b > at_new:
            edit: Edit = (start + at_old, start + block.a, text[at_new : block.b])
            if edit[0] == edit[1] and caret is not None and edit[0] < caret <= min(edit[0] + block.size, end):
                # An insertion may slide to the right as far as it repeats what follows: to the caret, if that far.
                shift = caret - edit[0]
                slid = (edit[2] + was[block.a : block.a + shift])[shift:]
                if edit[2] + was[block.a : block.a + shift] == was[block.a : block.a + shift] + slid:
                    edit = (caret, caret, slid)
            edits.append(edit)
        at_old, at_new = block.a + block.size, block.b + block.size
    return tuple(edits) or (whole,)

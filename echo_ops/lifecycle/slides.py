"""Where a change was that could have been in several places: text inserted next to its like, or deleted from it."""

from __future__ import annotations

from typing import Final

from echo_ops.lifecycle.edits import Edit, common_end, common_start
from echo_ops.lifecycle.states import States

PAIRS: Final = ("()", "[]", "{}", "<>", '""', "''", "``")
"""What an editor closes by itself."""

BREAKS: Final = ("\n", "\r")


def settle(states: States, first: int, last: int) -> tuple[int, bool]:
    """Where the only change between two states began, an insertion or a deletion that may be anywhere in a range.

    Args:
        states: before and after.
        first: leftmost start.
        last: rightmost start.

    Returns:
        The start, and whether something says so.
    """
    before, after, grown = states.old_caret, states.new_caret, states.grown
    if first == last:
        return first, True
    began = after - max(grown, 0)
    if first <= began <= last:
        place, settled = began, not (grown > 0 and before == after)
    elif began > last:  # a larger replacement, whose common start comes off first
        place, settled = last, False
    elif before is not None and first <= before - max(-grown, 0) <= last:
        place, settled = before - max(-grown, 0), True
    else:
        place, settled = first, False
    if grown > 0 and before is not None and first <= before <= last:
        if after == before + 1 and states.became(before, before + grown) in PAIRS:
            return before, True  # closed by itself, the caret in it
        line = _copied_line(states, first, last, before, place) if grown <= last - first else None
        if line is not None:
            return line, False
    return place, settled


def _copied_line(states: States, first: int, last: int, before: int, place: int) -> int | None:
    """Where a line was copied to, if what the caret says is a line cut in two: it is copied whole.

    An editor copies down in front of the line, and the caret goes along; up behind the line, and the caret stays.
    """
    grown, new, new_start = states.grown, states.new, states.new_start
    text = states.became(place, place + grown)
    if text.count("\n") != 1 or text[0] in BREAKS or text[-1] in BREAKS:
        return None
    found = -1
    if states.new_caret == before + grown:
        end = new.rfind("\n", first + grown - 1 - new_start, min(last, before) + grown - new_start)
        found = end - grown + 1 if end >= 0 else -1
    elif states.new_caret == before:
        found = new.find("\n", before - new_start, last + 1 - new_start)
    return None if found < 0 else found + new_start


def reach(edit: Edit, at: int, was: str) -> tuple[int, int]:
    """How far an insertion or a deletion may slide to the left and to the right in ``was``, which stands at ``at``."""
    start, end, text = edit
    head, tail = was[: start - at], was[end - at :]
    piece = text or was[start - at : end - at]
    return common_end(head, head + piece), common_start(tail, piece + tail)


def slide(edit: Edit, at: int, was: str, shift: int) -> Edit:
    """The same change, ``shift`` further right; within ``reach``."""
    start, end, text = edit
    head = start - at
    if text and shift > 0:
        text = (text + was[head : head + shift])[shift:]
    elif text and shift < 0:
        text = (was[head + shift : head] + text)[: len(text)]
    return start + shift, end + shift, text

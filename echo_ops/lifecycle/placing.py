"""Where a window belongs in a text that it was cut from, when offsets do not tell: by its ends."""

from __future__ import annotations

from typing import Final

from echo_ops.lifecycle.edits import common_start
from echo_ops.lifecycle.states import ANCHOR, Snapshot

MAX_PLACES: Final = 8
"""Places of equal text among which one is still looked for."""

DISTINCT: Final = 8
"""Different characters that a text must have to be told from another."""


def align(start: int, old: str, length: int, caret: int, prefix: str, suffix: str) -> tuple[Snapshot, bool] | None:
    """Place a window without offsets on a known text, in the offsets of that text.

    The first and the last characters of the window are looked up in the old text, or those of the old text in the
    window, nearest to where they would be if nothing had changed. Their distance gives the change of length.

    Returns:
        The window in place, and whether both of its ends were found; None where neither was.
    """
    text = prefix + suffix
    expected = caret - len(prefix) - start
    head = _nearest(old, text[:ANCHOR], max(expected, 0))
    if head is None:
        inverse = _nearest(text, old[:ANCHOR], max(-expected, 0))
        head = None if inverse is None else -inverse
    tail, inverse = _nearest(old, text[-ANCHOR:], max(len(old) - ANCHOR, 0), last=True), None
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
    at_end = len(suffix) < ANCHOR and old.endswith(suffix)  # the change is near the end of both
    both = head is not None and (tail is not None or inverse is not None or at_end)
    if head is None:
        head = 0
    delta = len(text) - (stop - head)
    return Snapshot(prefix, suffix, start + head + len(prefix), length + delta), both


def only_place(text: str, wanted: str, rest: str) -> int | None:
    """Where ``wanted`` stands in ``text``, if it is long enough to tell.

    Of several places that where most of ``rest`` follows.
    """
    if len(wanted) < ANCHOR // 2:
        return None
    places: list[int] = []
    found = text.find(wanted)
    if found < 0 or len(set(wanted)) < DISTINCT:
        return None
    while found >= 0 and len(places) <= MAX_PLACES:
        places.append(found)
        found = text.find(wanted, found + 1)
    if len(places) == 1:
        return places[0]
    if not rest or not places or len(places) > MAX_PLACES:
        return None
    follows = sorted((common_start(text[place:], rest), place) for place in places)
    return follows[-1][1] if follows[-1][0] > 2 * follows[-2][0] else None


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

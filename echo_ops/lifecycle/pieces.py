"""A change of a stretch, taken apart into the several places that differ in it: by lines, and inside them by words."""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Final

from echo_ops.lifecycle.edits import Edit, common_end, common_start
from echo_ops.lifecycle.slides import BREAKS, reach, slide

MAX_LINES: Final = 400
MAX_WORDS: Final = 600
"""Beyond, a change is taken as one: comparing costs the square of the number in the worst case."""

MIN_KEPT: Final = 4
"""Characters between two changes of one line that must be kept for them to be two."""

_WORD: Final = re.compile(r"\w+|[^\S\n]+|\n|[^\w\s]")


def pieces(stretch: Edit, was: str, before: int | None, after: int) -> list[Edit]:
    """The edits that a change of whole lines consists of, ascending and apart from each other.

    Args:
        stretch: the change.
        was: the text that it replaces.
        before: where the caret was; None: not known.
        after: where it is now.
    """
    at, _, text = stretch
    lines, new_lines = was.splitlines(keepends=True), text.splitlines(keepends=True)
    if len(lines) > MAX_LINES or len(new_lines) > MAX_LINES:
        return [stretch]
    moved = _moved(at, lines, new_lines, before, after)
    if moved is not None:
        return moved
    offsets = [at, *accumulate(map(len, lines), initial=at)][1:]
    if len(lines) == len(new_lines):
        spans = [(n, n + 1, n, n + 1) for n in range(len(lines)) if lines[n] != new_lines[n]]
    else:
        spans = _differences(lines, new_lines)
    found = [
        edit
        for first, last, new_first, new_last in spans
        for edit in _within(offsets[first], "".join(lines[first:last]), "".join(new_lines[new_first:new_last]))
        if edit[0] < edit[1] or edit[2]
    ]
    return _settled(found, at, was, before)


def recognised(found: list[Edit], at: int, was: str, before: int | None, after: int) -> bool:
    """Whether several pieces look like one event of an editor: all but one are such as no caret makes.

    Those are blanks trimmed from a line (or given back), lines that came or went as a whole (an import, a line moved),
    the same change in several places (carets, a rename), and text taken from one place and put down in another.
    """
    if len(found) < 2:
        return False
    changes = [(was[start - at : end - at], text) for start, end, text in found]
    if len(found) == 2 and sorted(old for old, _ in changes) == sorted(text for _, text in changes):
        return max(len(text) for _, text in changes) > 1
    alike = Counter(changes)
    others: list[Edit] = []
    for edit, (old, text) in zip(found, changes, strict=True):
        if alike[old, text] > 1:
            continue
        change = old or text
        if not (old and text):
            begins = edit[0] == at or was[edit[0] - at - 1] in BREAKS
            ends = edit[1] - at == len(was) or was[edit[1] - at] in BREAKS
            blank_line = begins and ends and not change.strip(" \t")
            whole_lines = len(change) > 1 and ((begins and change[-1] in BREAKS) or (ends and change[0] in BREAKS))
            if blank_line or (whole_lines and "\n" in change):
                continue
        others.append(edit)
    if len(others) != 1:
        return not others
    start, end, text = others[0]
    shift = sum(len(new) - (stop - first) for first, stop, new in found if stop <= start and first < start)
    return (before is not None and start <= before <= end) or after in (start + len(text), start + len(text) + shift)


def _differences(one: list[str], other: list[str]) -> list[tuple[int, int, int, int]]:
    codes = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return [(a, b, c, d) for kind, a, b, c, d in codes if kind != "equal"]


def _within(at: int, was: str, text: str) -> list[Edit]:
    """The changes in some lines, by words."""
    same, tail = _common(was, text)
    if same + tail >= min(len(was), len(text)):  # an insertion or a deletion
        return [(at + same, at + len(was) - tail, text[same : len(text) - tail])]
    while same and _in_word(was[same - 1]) and (_in_word(was[same]) or _in_word(text[same])):
        same -= 1
    while tail and _in_word(was[-tail]) and (_in_word(was[-tail - 1]) or _in_word(text[-tail - 1])):
        tail -= 1
    at, was, text = at + same, was[same : len(was) - tail], text[same : len(text) - tail]
    if len(was) == len(text) and "\n" not in was:
        differ = [n for n in range(len(was)) if was[n] != text[n]]
        if len({(was[n], text[n]) for n in differ}) == 1:  # one letter for another, all over
            return [(at + n, at + n + 1, text[n]) for n in differ]
    words, new_words = _WORD.findall(was), _WORD.findall(text)
    if "".join(words) != was or "".join(new_words) != text or max(len(words), len(new_words)) > MAX_WORDS:
        return [(at, at + len(was), text)]
    offsets = list(accumulate(map(len, words), initial=0))
    found: list[Edit] = []
    for first, last, new_first, new_last in _differences(words, new_words):
        start, end, inserted = offsets[first], offsets[last], "".join(new_words[new_first:new_last])
        if found:
            from_, to, others = found[-1]
            pure = (from_ == to and start == end) or (not others and not inserted)
            alike = (was[from_:to], others) == (was[start:end], inserted)
            if start - to < MIN_KEPT and not pure and not alike:
                found[-1] = (from_, end, others + was[to:start] + inserted)
                continue
        found.append((start, end, inserted))
    reduced: list[Edit] = []
    for start, end, inserted in found:
        same, tail = _common(was[start:end], inserted)
        reduced.append((at + start + same, at + end - tail, inserted[same : len(inserted) - tail]))
    return reduced


def _moved(at: int, lines: list[str], new_lines: list[str], before: int | None, after: int) -> list[Edit] | None:
    """Two blocks of lines, one below the other, that changed places: the one with the caret stayed."""
    if len(lines) != len(new_lines):
        return None
    first, last = 0, len(lines)
    while first < last and lines[first] == new_lines[first]:
        at += len(lines[first])
        first += 1
    while last > first and lines[last - 1] == new_lines[last - 1]:
        last -= 1
    lines, new_lines = lines[first:last], new_lines[first:last]
    bare, new_bare = [line.rstrip("\r\n") for line in lines], [line.rstrip("\r\n") for line in new_lines]
    cut = next(
        (n for n in range(1, len(bare)) if new_bare[: len(bare) - n] == bare[n:] and new_bare[-n:] == bare[:n]), 0
    )
    if not cut:
        return None
    upper, lower = "".join(lines[:cut]), "".join(lines[cut:])
    middle, end = at + len(upper), at + len(upper) + len(lower)
    new_lower = "".join(new_lines[: len(lines) - cut])
    feed = len(lines[cut - 1]) - len(bare[cut - 1])  # characters of a line break
    last_feed = feed if lower.endswith(BREAKS) else 0
    upper_stays = before < middle if before is not None and at <= before <= end else after >= at + len(new_lower)
    if upper_stays:
        return [(at, at, new_lower), (middle - feed, end - last_feed, "")]
    return [(at, middle, ""), (end - last_feed, end - last_feed, upper[-feed:] + upper[:-feed])]


def _settled(found: list[Edit], at: int, was: str, before: int | None) -> list[Edit]:
    """Insertions and deletions that may slide: the one at the old caret to it, and those like it as far.

    The others go as far right as they may: that is where the common start of old and new text puts them. Whole lines
    stay whole, and indentation of several lines has nothing to do with the caret.
    """
    pure = [edit for edit in found if bool(edit[2]) != (edit[1] > edit[0])]
    if len(pure) > 1 and all(_indents(edit, at, was) for edit in pure):
        before = None
    short: dict[tuple[int, str], int] = {}  # by how much those at the caret stay short of the rightmost place
    shifts: dict[Edit, tuple[int, int, int | None]] = {}
    for edit in pure:
        left, right = reach(edit, at, was)
        shift = None if before is None else _to_caret(edit, before, left, right)
        if shift is not None:
            short.setdefault(_kind(edit), right - shift)
        shifts[edit] = left, right, shift
    settled: list[Edit] = []
    for edit in found:
        if edit in shifts:
            left, right, shift = shifts[edit]
            begins = edit[0] == at or was[edit[0] - at - 1] in BREAKS
            if shift is None and not (begins and edit[2].endswith("\n")):
                shift = max(right - short.get(_kind(edit), 0), -left)
            edit = slide(edit, at, was, shift or 0)
        settled.append(edit)
    return settled


def _to_caret(edit: Edit, before: int, left: int, right: int) -> int | None:
    """How far an insertion or a deletion has to slide to be at the old caret; None where it cannot."""
    start, end, text = edit
    ends = (before,) if text else (before - (end - start), before)  # deleted backwards, or forwards
    return next((place - start for place in ends if start - left <= place <= start + right), None)


def _kind(edit: Edit) -> tuple[int, str]:
    return edit[1] - edit[0], edit[2].strip() or edit[2]


def _indents(edit: Edit, at: int, was: str) -> bool:
    start, end, text = edit
    change = text or was[start - at : end - at]
    line = was.rfind("\n", 0, start - at) + 1
    return len(change) > 1 and not change.strip(" \t") and not was[line : start - at].strip(" \t")


def _common(was: str, text: str) -> tuple[int, int]:
    same = common_start(was, text)
    return same, common_end(was[same:], text[same:])


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"

"""Where a commit may be cut: the offsets at which a unit of code ends.

The teacher points at one of them and writes nothing, so a lesson is always a prefix of what the user wrote
(docs/decisions). At most ``MAX_CUTS`` are offered; the cost of a parse is bounded by the windows below.
"""

from __future__ import annotations

import re
from itertools import chain

from echo_ops.grammars import head, parse, tail
from echo_ops.teacher.port import Cut, CutKind
from echo_ops.teacher.units import Unit, bracket_units, tree_units

MAX_CUTS = 12
BEFORE, COMMIT, AFTER = 1500, 4000, 500
"""Characters of prefix, commit and suffix that are parsed. A commit beyond ``COMMIT`` is offered whole all the same."""

RANK: dict[CutKind, int] = {"block": 0, "statement": 1, "line": 2, "expression": 3, "token": 4, "whole": 5}
"""From the largest unit to the smallest; all of a commit is a name only where no unit ends."""

WORD = re.compile(r"\w+")


def cut_points(language: str | None, prefix: str, committed: str, suffix: str) -> tuple[Cut, ...]:
    """The cuts of a commit, ascending by offset, 1 ≤ offset ≤ len(committed); the last one is all of it.

    Empty only where the commit is. Offsets count code points.
    """
    if not committed:
        return ()
    body = committed[:COMMIT]
    after = head(suffix, AFTER) if len(body) == len(committed) else ""  # else the suffix does not follow the body
    window = parse(language, tail(prefix, BEFORE), body, after)
    whole: Unit = (len(committed), "whole", False)
    units = tree_units(window, body) if window else bracket_units(body)

    best: dict[int, Cut] = {}
    for end, kind, closes in chain(_token(prefix, body), _lines(body), units, [whole]):
        if kind != "whole":  # some grammars count a line's break to what stands before it
            end = len(body[:end].rstrip())
            if not end:
                continue
        cut = Cut(end, kind, closes)
        best[end] = min(cut, best.get(end, cut), key=_name_rank)
    chosen = sorted(best.values(), key=lambda cut: _priority(cut, len(committed)))[:MAX_CUTS]
    return tuple(sorted(chosen, key=lambda cut: cut.offset))


def _name_rank(cut: Cut) -> tuple[bool, int, bool]:
    """Which of several units names an offset: a statement that closes the request, else the largest."""
    return not (cut.closes and cut.kind in ("block", "statement")), RANK[cut.kind], not cut.closes


def _priority(cut: Cut, whole: int) -> tuple[int, int]:
    """What is offered first where there are too many: all, the open token, what closes the request, the rest."""
    if cut.offset == whole or cut.kind == "token":
        return 0, cut.offset
    if cut.closes:
        return 1 if cut.kind in ("block", "statement") else 2, cut.offset
    return 3 if cut.kind in ("block", "statement") else 4, cut.offset


def _token(prefix: str, commit: str) -> list[Unit]:
    """The end of the word in which the request opened, if it did."""
    word = WORD.match(commit)
    return [(word.end(), "token", True)] if word and WORD.match(prefix[-1:]) else []


def _lines(commit: str) -> list[Unit]:
    """The end of each line that is not blank, without the white space behind it."""
    units: list[Unit] = []
    offset = 0
    for line in commit.splitlines(keepends=True):
        if text := line.rstrip():
            units.append((offset + len(text), "line", False))
        offset += len(line)
    return units

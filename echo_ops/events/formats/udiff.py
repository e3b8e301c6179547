"""Unified diffs of one file as edits of its text, in bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

Edit = tuple[int, int, bytes]
"""Replace ``[start, end)``."""

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")


class DoesNotApplyError(ValueError):
    """A hunk's text is not in the file."""


@dataclass
class _Hunk:
    path: str
    row: int | None  # of its first line, from 0
    left: list[int]  # lines of the old and of the new text that are still to come
    lines: list[tuple[str, bytes]] = field(default_factory=list)  # " ", "-" or "+", and the line with its break

    def old(self) -> bytes:
        return b"".join(line for sign, line in self.lines if sign != "+")


def edits(patch: str, path: str, text: bytes, first_row: int = 0) -> tuple[list[Edit], int]:
    """What a patch changes in a text.

    A hunk is placed by its lines of context and of removal, where they stand nearest to its line number: excerpts
    count from their own first line.

    Args:
        patch: unified diff, of one or several files.
        path: the file that ``text`` is of.
        text: the file or an excerpt of it, in UTF-8.
        first_row: number of the excerpt's first line in the file, from 0.

    Returns:
        The edits in ascending order, and how many hunks are of other files.

    Raises:
        DoesNotApplyError: a hunk's text is not there, or hunks overlap.
    """
    found: list[Edit] = []
    others = 0
    for hunk in _hunks(patch):
        if hunk.path and not _same(hunk.path, path):
            others += 1
            continue
        at, old = _place(hunk, text, first_row)
        found += [_reduced(edit, text) for edit in _changes(hunk, at, at + len(old))]
    found.sort(key=lambda edit: edit[:2])
    if any(later[0] < earlier[1] for earlier, later in pairwise(found)):
        raise DoesNotApplyError
    return found, others


def apply(text: bytes, changes: list[Edit]) -> bytes:
    """The text after the edits."""
    for start, end, new in reversed(changes):
        text = text[:start] + new + text[end:]
    return text


def one(text: bytes, changes: list[Edit]) -> Edit:
    """The edits as one replacement, of everything from the first to the last."""
    start, end = changes[0][0], changes[-1][1]
    shifted = [(each[0] - start, each[1] - start, each[2]) for each in changes]
    return start, end, apply(text[start:end], shifted)


def _hunks(patch: str) -> Iterator[_Hunk]:
    path, hunk = "", None
    lines = re.findall(r"[^\n]*\n|[^\n]+", patch)  # splitlines breaks at form feeds, too
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        bare = line.rstrip("\r\n")
        inside = hunk is not None and min(hunk.left) > 0
        if bare.startswith("--- ") and following.startswith("+++ ") and not inside:
            if hunk:
                yield hunk
            path, hunk = _path(bare, following), None
        elif bare.startswith("@@") and not inside:
            if hunk:
                yield hunk
            hunk = _hunk(bare, path)
        elif hunk is not None:
            _take(hunk, line, bare)
    if hunk:
        yield hunk


def _path(old: str, new: str) -> str:
    names = [name.rstrip("\r\n")[4:].split("\t")[0] for name in (new, old)]
    return re.sub(r"^[ab]/", "", next((name for name in names if name != "/dev/null"), ""))


def _hunk(header: str, path: str) -> _Hunk:
    placed = _HUNK.match(header)
    if placed is None:
        return _Hunk(path, None, [0, 0])
    first, old, new = (1 if number is None else int(number) for number in placed.groups())
    return _Hunk(path, max(0, first - 1), [old, new])


def _take(hunk: _Hunk, line: str, bare: str) -> None:
    if bare.startswith("\\") and hunk.lines:  # "\ No newline at end of file"
        sign, last = hunk.lines[-1]
        hunk.lines[-1] = (sign, last.removesuffix(b"\n").removesuffix(b"\r"))
        return
    sign = bare[:1] or " "  # an empty line of context may have lost its blank
    if sign in " +-":
        hunk.lines.append((sign, line[1:].encode(errors="replace") if bare else b"\n"))
        hunk.left[0] -= sign != "+"
        hunk.left[1] -= sign != "-"


def _place(hunk: _Hunk, text: bytes, first_row: int) -> tuple[int, bytes]:
    old = hunk.old()
    if not old and hunk.row is not None:  # into an empty file, or without context
        starts, row = _line_starts(text), hunk.row - first_row + bool(text)
        return starts[min(max(row, 0), len(starts) - 1)], old
    for candidate in dict.fromkeys((old, old.removesuffix(b"\n"))):
        places = [start for start in _line_starts(text) if candidate and text.startswith(candidate, start)]
        if places:
            rows = {start: text.count(b"\n", 0, start) for start in places}
            wanted = (hunk.row or 0) - first_row
            return min(places, key=lambda start: (abs(rows[start] - wanted), start)), candidate
    raise DoesNotApplyError


def _changes(hunk: _Hunk, at: int, stop: int) -> Iterator[Edit]:
    start, end, new = at, at, b""
    for sign, line in hunk.lines:
        if sign == " ":
            if end > start or new:
                yield start, min(end, stop), new
            start = end = end + len(line)
            new = b""
        elif sign == "-":
            end += len(line)
        else:
            new += line
    if end > start or new:
        yield start, min(end, stop), new


def _reduced(edit: Edit, text: bytes) -> Edit:
    """The edit without what old and new text begin with, then without what they end with, in whole characters."""
    start, end, replacement = edit
    old, new = text[start:end].decode(), replacement.decode()
    same = _common(old, new)
    head = len(old[:same].encode())
    old, new = old[same:], new[same:]
    tail = _common(old[::-1], new[::-1])
    return start + head, end - len(old[len(old) - tail :].encode()), new[: len(new) - tail].encode()


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _line_starts(text: bytes) -> list[int]:
    return [0, *(found.end() for found in re.finditer(rb"\n", text))]


def _same(one: str, other: str) -> bool:
    """Whether a patch's path is the file's: one may have a folder more in front, the worktree's."""
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")

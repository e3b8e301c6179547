"""What the small base model learns from: places in the Python standard library's source, a tenth of it held out."""

from __future__ import annotations

import random
import sysconfig
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from echo_ops.training.replay import rank

SKIPPED_FOLDERS = frozenset(
    {"site-packages", "test", "tests", "idle_test", "idlelib", "turtledemo", "lib2to3", "ensurepip", "pydoc_data"}
    | {"encodings"}
)
"""Tests, tables and old code, which would be half of the text, teach little, and resemble each other too much."""

HELD_OUT = 10
"""One file of so many is held out, by the hash of its text: a copy elsewhere is held out too."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file: what stands before it, what is to be filled in, and what follows."""

    prefix: str
    middle: str
    suffix: str
    rest_of_line: bool  # whether the middle is exactly that, and more than blanks


def corpus() -> tuple[list[str], list[str]]:
    """The standard library's files, learned and held out, in the order of their paths, each text once."""
    root = Path(sysconfig.get_paths()["stdlib"])
    paths = [path for path in sorted(root.rglob("*.py")) if SKIPPED_FOLDERS.isdisjoint(path.relative_to(root).parts)]
    texts = dict.fromkeys(path.read_text(encoding="utf-8", errors="replace") for path in paths)
    learned = [text for text in texts if text and not is_held_out(text)]
    return learned, [text for text in texts if text and is_held_out(text)]


def is_held_out(text: str) -> bool:
    """Whether the base model never sees a file with this text."""
    return rank(0, text) % HELD_OUT == 0


def places(texts: Sequence[str], longest: int, seed: int) -> Iterator[Place]:
    """Places chosen evenly over all characters, without end.

    What is filled in is what people ask a completion for: half of it the rest of the line, else one or two lines more,
    some characters, or nothing.

    Args:
        texts: files, none of them empty.
        longest: characters of a middle at most, and a sixth of what is given of each side of it.
        seed: another seed chooses other places.
    """
    chooser = random.Random(seed)
    ends = list(accumulate(map(len, texts)))
    far = 6 * longest
    while True:
        position = chooser.randrange(ends[-1])
        which = bisect(ends, position)
        text = texts[which]
        caret = position - (ends[which] - len(text))
        kind, lines, characters = chooser.random(), chooser.randint(1, 2), chooser.randint(1, 40)
        line_end = end = _line_end(text, caret)
        if 0.5 <= kind < 0.7:
            for _ in range(lines):
                end = _line_end(text, end + 1)
        elif 0.7 <= kind < 0.97:
            end = min(caret + characters, len(text))
        elif kind >= 0.97:
            end = caret
        end = min(end, caret + longest)
        middle = text[caret:end]
        yield Place(
            text[max(0, caret - far) : caret], middle, text[end : end + far], end == line_end and bool(middle.strip())
        )


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end

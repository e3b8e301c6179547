"""What programmers write: the source of the Python standard library, or of a package, as it lies on this machine.

The text depends on the version of Python, so the simulation's bytes do too. Tests are left out, and generated tables.
"""

from __future__ import annotations

import io
import sysconfig
import tokenize
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

from echo_ops.errors import InputError

LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "encodings", "pydoc_data"})
"""Folders that hold no code that somebody would type."""

SMALLEST, LARGEST = 2_500, 60_000
"""Characters of a file that is worth opening."""

FILES_OF_A_REPOSITORY = 3
"""A package with fewer files counts among the top-level modules, which are parted by their first letter."""

_CLOSER = {"(": ")", "[": "]", "{": "}"}
_TRIPLE = ('"""', "'''")


@dataclass(frozen=True, slots=True)
class Source:
    """One file; read only when somebody opens it."""

    repository: str
    path: str  # inside the repository, with slashes
    file: Path


@dataclass(frozen=True, slots=True)
class Page:
    """The text of a file, and what an editor and a reader see in it. Offsets are in code points."""

    text: str
    pairs: dict[int, int]  # offset of an opening bracket or quote → its closing one, on the same line
    ends: tuple[int, ...]  # offsets where statements and comments end, before the line break
    prose: tuple[tuple[int, int], ...]  # where docstrings and comments start and end

    def is_prose(self, offset: int) -> bool:
        """Whether the offset lies in a docstring or a comment."""
        before = bisect_right(self.prose, (offset, len(self.text)))
        return before > 0 and offset <= self.prose[before - 1][1]

    def statement_end(self, offset: int) -> int:
        """Where the statement at the offset ends."""
        found = bisect_left(self.ends, offset)
        return self.ends[found] if found < len(self.ends) else len(self.text)


@lru_cache(maxsize=1)
def sources() -> dict[str, tuple[Source, ...]]:
    """The files of each repository, both in the order of their names.

    Raises:
        InputError: this Python comes without its source.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    found: dict[str, list[Source]] = {}
    for path in _inside(root):
        package = path.parts[0] if len(path.parts) > 1 else ""
        found.setdefault(package, []).append(Source(package, path.as_posix(), root / path))
    repositories: dict[str, list[Source]] = {}
    for package, files in found.items():
        for source in files:
            large = package and len(files) >= FILES_OF_A_REPOSITORY
            name = package if large else f"modules-{source.path[0].lower()}"
            repositories.setdefault(name, []).append(Source(name, source.path, source.file))
    if len(repositories) < 2:
        raise InputError(f"{root}: {len(found)} packages of Python files, too few to simulate; install Python's source")
    return {name: tuple(repositories[name]) for name in sorted(repositories)}


def package(name: str) -> tuple[Source, ...]:
    """The files of an installed package, as one repository, in the order of their paths. It is not imported.

    Raises:
        InputError: it is not installed, or not with its source.
    """
    found = find_spec(name)
    folders = found.submodule_search_locations if found else None
    root = Path(next(iter(folders))) if folders else Path()
    files = tuple(Source(name, path.as_posix(), root / path) for path in _inside(root)) if folders else ()
    if not files:
        raise InputError(f"package {name} is not installed with its source; run scripts/bootstrap")
    return files


def _inside(root: Path) -> list[Path]:
    """The files below a folder that somebody would open, by their paths in it, in order."""
    paths = sorted((path.relative_to(root) for path in root.rglob("*.py")), key=lambda path: path.as_posix())
    return [
        path
        for path in paths
        if LEFT_OUT.isdisjoint(path.parts) and SMALLEST <= (root / path).stat().st_size <= LARGEST
    ]


@lru_cache(maxsize=128)
def page(source: Source) -> Page | None:
    """The file, read; None where it is no text that somebody would type with spaces."""
    text = source.file.read_text(encoding="utf-8", errors="replace")
    if "\0" in text or "\t" in text or "\f" in text or "\ufffd" in text:
        return None
    try:
        return _read(text)
    except (tokenize.TokenError, SyntaxError):
        return None


def _read(text: str) -> Page:
    starts = [0, *accumulate(len(line) for line in text.splitlines(keepends=True))]
    pairs: dict[int, int] = {}
    ends: list[int] = []
    prose: list[tuple[int, int]] = []
    opened: list[tuple[int, str, int]] = []  # row, closing bracket, offset
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, start = token.start[0], starts[token.start[0] - 1] + token.start[1]
        if token.type == tokenize.OP and token.string in _CLOSER:
            opened.append((row, _CLOSER[token.string], start))
        elif token.type == tokenize.OP and opened and token.string == opened[-1][1]:
            opening_row, _, opening = opened.pop()
            if opening_row == row:
                pairs[opening] = start
        elif token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.endswith(_TRIPLE)):
            prose.append((start, starts[token.end[0] - 1] + token.end[1]))
        elif token.type == tokenize.STRING and token.end[0] == row:
            pairs[start + token.string.index(token.string[-1])] = start + len(token.string) - 1
        elif token.type == tokenize.NEWLINE or (token.type == tokenize.NL and not opened):
            ends.append(start)
    return Page(text, pairs, tuple(ends), tuple(prose))

"""tree-sitter on windows of code, by VS Code languageId; for the teacher's cut points and curation's syntax rule."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

GRAMMARS: dict[str, tuple[str, str]] = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "javascriptreact": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "typescriptreact": ("tree_sitter_typescript", "language_tsx"),
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
}
"""languageId → the module that carries the grammar, and its function."""

Frame = tuple[str, str]
"""What is put before and after a window so that it parses: it may begin or end inside a docstring or a comment."""


@dataclass(frozen=True, slots=True)
class Window:
    """A parsed window of code. Written by ``parse``, read by the teacher and curation."""

    root: Node
    start: int  # byte at which the middle begins
    end: int  # byte at which it ends
    text: bytes  # what was parsed, with the frame


@cache
def parser(language: str | None) -> Parser | None:
    """The parser of a languageId, or None where there is no grammar for it."""
    if language not in GRAMMARS:
        return None
    from tree_sitter import Language, Parser

    module, function = GRAMMARS[language]
    return Parser(Language(getattr(importlib.import_module(module), function)()))


def parse(language: str | None, before: str, middle: str, after: str) -> Window | None:
    """The window ``before + middle + after``, framed where that halves its errors; None without a grammar.

    A window that begins inside a docstring parses as the reverse of what it is: every string is code and all code a
    string. On random statements of the Python standard library, in windows of 1,000 + 400 characters, the frame takes
    correct statements that look broken from 0.9 to 0.6 % and statements without their last bracket that are noticed
    from 80 to 87 %. A frame must be evident, or it would hide a real error by making a docstring of it.
    """
    grammar = parser(language)
    if grammar is None:
        return None
    text = before + middle + after
    data = text.encode()
    root = grammar.parse(data).root_node
    bare = errors(root)
    start = len(before.encode())
    for opening, closing in _frames(language, text) if bare > 1 else ():
        framed = (opening + text + closing).encode()
        better = grammar.parse(framed).root_node
        if errors(better) <= bare / 2:
            root, data = better, framed
            start += len(opening)
            break
    return Window(root, start, start + len(middle.encode()), data)


def without_middle(language: str | None, window: Window) -> Node:
    """The same window, parsed without its middle."""
    grammar = parser(language)
    if grammar is None:
        raise ValueError(f"no grammar for {language}")
    return grammar.parse(window.text[: window.start] + window.text[window.end :]).root_node


def errors(node: Node) -> int:
    """Nodes below ``node``, or itself, that are errors or were made up by the parser for want of a token."""
    count = 0
    pending = [node] if node.has_error else []  # no recursion: anybody's text may nest as deep as it likes
    while pending:
        node = pending.pop()
        count += node.is_error or node.is_missing
        pending += [child for child in node.children if child.has_error]
    return count


def tail(prefix: str, characters: int) -> str:
    """The last ``characters`` of a prefix, from the start of a line where one begins in there: a bounded parse."""
    if len(prefix) <= characters:
        return prefix
    cropped = prefix[-characters:]
    return cropped[cropped.find("\n") + 1 :]


def head(suffix: str, characters: int) -> str:
    """The first ``characters`` of a suffix, up to the end of a line where one ends in there."""
    if len(suffix) <= characters:
        return suffix
    cropped = suffix[:characters]
    return cropped[: cropped.rfind("\n") + 1] or cropped


def _frames(language: str | None, text: str) -> Iterator[Frame]:
    """The frames worth trying beside none."""
    if language == "python":
        one_end, both_ends = [('"""\n', ""), ("", '\n"""')], [('"""\n', '\n"""')]
        if quotes := text.count('"""'):  # an odd one: one end cuts through a docstring; else both do or none
            yield from one_end if quotes % 2 else both_ends
        return
    first_end, first_start = text.find("*/"), text.find("/*")
    before = "/*\n" if first_end >= 0 and not 0 <= first_start < first_end else ""
    after = "\n*/" if text.rfind("/*") > text.rfind("*/") else ""
    if before or after:
        yield before, after

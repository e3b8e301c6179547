"""The units of code that end inside a commit: by tree-sitter where there is a grammar, else by lines and brackets.

Both yield ``(end, kind, closes)`` with ``end`` in code points of the commit; ``cutpoints`` chooses among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from echo_ops.grammars import Window
from echo_ops.teacher.port import CutKind

if TYPE_CHECKING:
    from tree_sitter import Node

Unit = tuple[int, CutKind, bool]

_CONTAINERS = """
    module program source_file translation_unit block statement_block statement_list compound_statement
    class_body interface_body enum_body constructor_body switch_body switch_block match_block
    declaration_list field_declaration_list enum_variant_list enumerator_list enum_body_declarations
"""
CONTAINERS = frozenset(_CONTAINERS.split())
"""Nodes whose named children are statements, in the eight grammars."""

COMMENTS = frozenset({"comment", "line_comment", "block_comment"})

STATEMENT_ENDINGS = ("_statement", "_definition", "_item", "_declaration")
"""How the types of statements end, for those that stand in an ERROR node, where the container is lost."""

NOT_STATEMENTS = frozenset(f"{kind}parameter_declaration" for kind in ("", "optional_", "variadic_"))


def tree_units(window: Window, commit: str) -> Iterator[Unit]:
    """Units of a parsed window that end in its middle, which is ``commit``."""
    body = commit.encode()
    root, start, stop = window.root, window.start, window.start + len(body)
    first = _first_character(root, body, start)
    ascii_only = len(body) == len(commit)

    def characters(end: int) -> int:
        return end - start if ascii_only else len(body[: end - start].decode(errors="ignore"))

    leaf = root.descendant_for_byte_range(start - 1, start + 1) if start else None
    if leaf is not None and not leaf.child_count and leaf.start_byte < start < leaf.end_byte <= stop:
        yield characters(leaf.end_byte), "token", True

    pending = [root]
    while pending:
        node = pending.pop()
        in_error, in_container = node.type == "ERROR", node.type in CONTAINERS
        for child in node.children:
            if child.end_byte <= start:
                continue
            if child.start_byte >= stop:
                break
            if child.child_count:
                pending.append(child)
            if child.type in CONTAINERS and node.start_byte < start <= first and (header := _header_end(child)) > first:
                yield characters(header), "line", True
            if child.end_byte > stop or child.type == "ERROR" or child.type in COMMENTS or not child.is_named:
                continue
            closes = child.start_byte <= first < child.end_byte
            if child.type in CONTAINERS:
                # "{ … }" ends a block of its own, and closes the request where that opened inside; an indented block
                # ends with its statement, which says so itself
                if child.children and child.children[-1].type == "}":
                    yield characters(child.end_byte), "block", child.start_byte < start
            elif in_container or (in_error and _looks_like_statement(child)):
                yield characters(child.end_byte), "block" if _holds_block(child) else "statement", closes
            elif closes:
                yield characters(child.end_byte), "expression", True


def _header_end(body: Node) -> int:
    """Where the line ends that a colon ends and an indented body follows, as in Python; 0 where brackets hold it."""
    before = body.prev_sibling
    while before is not None and before.type in COMMENTS:
        before = before.prev_sibling
    return before.end_byte if before is not None and before.type == ":" else 0


def _first_character(root: Node, body: bytes, start: int) -> int:
    """Byte of the first character of code: blanks and comments that begin in the commit belong to what follows them."""
    position = 0
    while position < len(body):
        if body[position : position + 1].isspace():
            position += 1
            continue
        leaf = root.descendant_for_byte_range(start + position, start + position + 1)
        if leaf is None or leaf.type not in COMMENTS or leaf.start_byte < start:
            return start + position
        position = max(leaf.end_byte - start, position + 1)
    return start + len(body) - len(body.lstrip())


def _looks_like_statement(node: Node) -> bool:
    return node.type.endswith(STATEMENT_ENDINGS) and node.type not in NOT_STATEMENTS


def _holds_block(node: Node, depth: int = 2) -> bool:
    """Whether a statement carries a body: itself (``if``), or by its last part (a decorated function)."""
    if any(child.type in CONTAINERS for child in node.children):
        return True
    last = node.named_children[-1:] if depth else []
    return any(_holds_block(child, depth - 1) for child in last)


def bracket_units(commit: str) -> Iterator[Unit]:
    """Units by lines and brackets alone: a bracket that closes the context's, a line at which all brackets are closed,
    a paragraph before an empty line. Brackets in strings and comments are taken for brackets: it is a fallback."""
    depth = 0
    closed = False  # some line has ended with all brackets closed
    last_text = 0  # end of the last line that was not blank
    offset = 0
    for line in commit.splitlines(keepends=True):
        for position, character in enumerate(line):
            if character in "([{":
                depth += 1
            elif character in ")]}":
                depth -= 1
                if depth < 0:
                    depth = 0
                    yield offset + position + 1, "expression", not closed
        text = line.rstrip()
        if not text:
            if last_text and depth == 0:
                yield last_text, "block", False
        else:
            last_text = offset + len(text)
            if depth == 0:
                yield last_text, "statement", not closed
                closed = True
        offset += len(line)

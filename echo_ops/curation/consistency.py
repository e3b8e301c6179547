"""Names that a lesson uses and nothing brings: neither the context, nor the lesson itself, nor the language.

Words of the lesson that the context or the language holds are known and cost no more than a look-up. Only of the rest
is the tree asked what they are: members after a dot, keywords of a call, imports, labels and definitions are no names
that somebody must have brought; nor is anything in a string, a comment, or code that does not parse.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from echo_ops.curation.language_names import LANGUAGE_NAMES
from echo_ops.curation.rule import Row
from echo_ops.grammars import Window

if TYPE_CHECKING:
    from tree_sitter import Node

WORD = re.compile(r"[^\W\d]\w*")

NAMES = frozenset(
    {
        "identifier",
        "type_identifier",
        "namespace_identifier",
        "package_identifier",
        "shorthand_property_identifier_pattern",
    }
)
"""Leaves that name a variable, a function, a type or a module. Members and labels have leaves of their own."""

OUTSIDE = re.compile(r"import|use_|package|preproc|pair_pattern|structured_binding|shorthand")
"""Types of nodes all of whose names are defined, or lie outside of the file."""

DEFINING = re.compile(r"parameter|pattern|global_statement|nonlocal|enumerator|label|goto")
"""Types of nodes that define names, but where these are types or values."""

ASSIGNING = re.compile(r"assign|for|clause|declaration")
"""Types of nodes whose left side is defined; other left sides are operands."""

DEFINES = frozenset({"name", "pattern", "declarator", "parameter", "parameters", "alias", "key", "label"})
"""Fields of a node whose names it defines; keywords of a call and annotations are named like definitions."""

USES = frozenset({"value", "type", "right", "function", "object", "body", "condition", "argument"})

_THROUGH = """
    expression_list pattern_list identifier_list tuple list dotted_name scoped_identifier scoped_use_list
    import_specifier namespace_import pointer_declarator reference_declarator array_declarator
    parenthesized_declarator spread_element literal_element type_annotation
"""
THROUGH = frozenset(_THROUGH.split())
"""Nodes between a name and the node that defines it: ``a, b = …``, ``int *p = …``."""


def unknown_names(row: Row, window: Window) -> tuple[int, int]:
    """How many different names a lesson uses, and how many of them are unknown.

    Args:
        row: its lesson is not empty.
        window: ``grammars.parse`` of the row's lesson in its context.
    """
    brought = LANGUAGE_NAMES[row.language or ""]
    words = dict.fromkeys(WORD.findall(row.lesson))
    doubtful = {
        word for word in words if word not in brought and not _holds(row.prefix, word) and not _holds(row.suffix, word)
    }
    if not doubtful:
        return len(words), 0
    used = _used(row, window, doubtful)
    return len(words) - len(doubtful) + len(used), len(used)


def _used(row: Row, window: Window, doubtful: set[str]) -> set[str]:
    """Those of the doubtful words that are used as names and defined nowhere in the lesson."""
    lesson = row.lesson
    before = row.prefix[-20:]
    opens_inside = bool(re.search(r"\w\Z", before))  # half of the first word stands in the prefix
    used: set[str] = set()
    defined: set[str] = set()
    ascii_only = lesson.isascii()
    for match in WORD.finditer(lesson):
        word = match[0]
        if word not in doubtful or (opens_inside and not match.start()):
            continue
        at = match.start() if ascii_only else len(lesson[: match.start()].encode())
        start = window.start + at
        leaf = window.root.descendant_for_byte_range(start, start + len(word.encode()))
        if leaf is None or leaf.type not in NAMES:
            continue
        role = _role(leaf)
        if role == "defined":
            defined.add(word)
        elif role == "used" and not _is_member(before + lesson[: match.start()]):
            used.add(word)
    return used - defined


def _holds(text: str, word: str) -> bool:
    """Whether a text holds a word, not only as part of a longer one."""
    end = 0
    while (start := text.find(word, end)) >= 0:
        end = start + len(word)
        around = text[start - 1 : start] if start else "", text[end : end + 1]
        if not any(character.isalnum() or character == "_" for character in around):
            return True
    return False


def _is_member(before: str) -> bool:
    """Whether the name that follows is looked up in another: after ``.``, ``->`` or ``::``, but not after ``...``."""
    if before.endswith("->"):  # with a blank it gives a function's type
        return True
    before = before.rstrip()
    return before.endswith("::") or (before.endswith(".") and not before.endswith(".."))


def _role(leaf: Node) -> str:
    """``defined``, ``used``, or ``other`` where it is neither or cannot be told."""
    node, parent = leaf, leaf.parent
    while parent is not None and parent.type in THROUGH:
        node, parent = parent, parent.parent
    if parent is None or parent.type == "ERROR" or parent.has_error:
        return "other"
    if OUTSIDE.search(parent.type):
        return "defined"
    if parent.type.startswith("jsx") and parent.type.endswith("element"):  # lower-case tags are the browser's
        return "other" if leaf.text is None or leaf.text[:1].islower() else "used"
    field = next((parent.field_name_for_child(i) for i, child in enumerate(parent.children) if child == node), None)
    if field in USES:
        return "used"
    if field == "left":
        return "defined" if ASSIGNING.search(parent.type) else "used"
    return "defined" if field in DEFINES or DEFINING.search(parent.type) else "used"

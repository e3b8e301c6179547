"""The lesson brings no syntax errors: tree-sitter on prefix + lesson + suffix against prefix + suffix."""

from __future__ import annotations

from echo_ops.curation.reasons import Reason
from echo_ops.curation.rule import KEEP, Drop, Keep, Row
from echo_ops.grammars import errors, head, parse, parser, tail
from echo_ops.settings import Curation

BEFORE, AFTER = 1000, 400
"""Characters of prefix and suffix that are parsed: errors far from the lesson are on both sides of the comparison."""


def well_formed(row: Row, settings: Curation) -> Keep | Drop:
    """No more errors with the lesson than without it; languages without a grammar pass."""
    grammar = parser(row.language) if row.lesson else None
    if grammar is None:
        return KEEP
    before, after = tail(row.prefix, BEFORE), head(row.suffix, AFTER)
    window = parse(row.language, before, row.lesson, after)
    with_lesson = errors(window.root) if window else 0
    if window is None or not with_lesson:
        return KEEP
    opening, closing = window.frame
    without = errors(grammar.parse((opening + before + after + closing).encode()).root_node)
    return Drop(Reason.BREAKS_SYNTAX, f"{with_lesson} errors, {without} without") if with_lesson > without else KEEP

"""Where a lesson begins and ends in the text around it."""

from __future__ import annotations

import re

from echo_ops.curation.rule import Row

REPEAT_CHARACTERS = 4
"""Word characters that a lesson must hold before it can count as repeated: a lone ``)`` or ``}`` repeats rightly."""

WORD = re.compile(r"\w")

OPERATORS = frozenset(
    [
        "==",
        "!=",
        "<=",
        ">=",
        "=>",
        "->",
        "+=",
        "-=",
        "*=",
        "/=",
        "%=",
        "|=",
        "&=",
        "^=",
        "&&",
        "||",
        "++",
        "--",
        "::",
        ":=",
        "??",
        "?.",
        "//",
        "/*",
        "*/",
        "..",
        "<-",
    ]
)
"""Two characters that are one token in most languages. ``>>`` and ``**`` are not: they close generics, point twice."""


def contradicted(row: Row) -> bool:
    """Nothing stood in the gap when it closed, but text did two minutes later: a third of users only come back then."""
    return row.verdict == "silence" and not row.committed and bool((row.committed_120s or "").strip())


def blank(row: Row) -> bool:
    """The lesson is white space alone."""
    return bool(row.lesson) and not row.lesson.strip()


def mid_token(row: Row) -> bool:
    """The lesson ends inside a word or an operator that goes on in the commit, or in the suffix where that ends."""
    last, following = row.lesson[-1:], (row.committed[len(row.lesson) :] or row.suffix)[:1]
    if not last or not following:
        return False
    return bool(WORD.match(last) and WORD.match(following)) or last + following in OPERATORS


def repeats_suffix(row: Row) -> bool:
    """The lesson already stands right after the gap, white space aside."""
    if _words(row.lesson) < REPEAT_CHARACTERS:
        return False
    # the same words take no more than the lesson's length and some white space
    after = row.suffix[: 2 * len(row.lesson) + 200]
    return "".join(after.split()).startswith("".join(row.lesson.split()))


def repeats_prefix(row: Row) -> bool:
    """The lines that the lesson completes are those right before them once more."""
    if _words(row.lesson) < REPEAT_CHARACTERS:
        return False
    before, _, open_line = row.prefix.rpartition("\n")
    written = _lines(open_line + row.lesson)
    above = _lines(before[-4 * len(row.lesson) - 1000 :])
    return above[-len(written) :] == written


def _words(text: str) -> int:
    return len(WORD.findall(text))


def _lines(text: str) -> list[str]:
    """The lines that are not blank, without the white space around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]

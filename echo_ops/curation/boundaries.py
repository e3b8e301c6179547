"""Rules on where a commit and a lesson begin and end. The first ones need no verdict."""

from __future__ import annotations

import re

from echo_ops.curation.reasons import Reason
from echo_ops.curation.rule import KEEP, Drop, Keep, Row
from echo_ops.settings import Curation

REPEAT_CHARACTERS = 4
"""Word characters that a lesson must hold before it can count as repeated: a lone ``)`` or ``}`` repeats rightly."""

WORD = re.compile(r"\w")


def known_commit(row: Row, settings: Curation) -> Keep | Drop:
    """What the user left is known."""
    return Drop(Reason.UNKNOWN_COMMIT, row.close_reason) if row.committed is None else KEEP


def closed(row: Row, settings: Curation) -> Keep | Drop:
    """The gap closed inside the reading window."""
    return Drop(Reason.HORIZON) if row.close_reason == "horizon" else KEEP


def unambiguous(row: Row, settings: Curation) -> Keep | Drop:
    """The commit has one reading."""
    return Drop(Reason.AMBIGUOUS) if row.confidence == "ambiguous" else KEEP


def lasting_silence(row: Row, settings: Curation) -> Keep | Drop:
    """Where nothing was committed, nothing stands two minutes later either: a third of users only come back then."""
    contradicted = row.verdict == "silence" and not row.committed and bool((row.committed_120s or "").strip())
    return Drop(Reason.SILENCE_CONTRADICTED) if contradicted else KEEP


def not_blank(row: Row, settings: Curation) -> Keep | Drop:
    """A lesson to fill holds more than white space."""
    return Drop(Reason.WHITESPACE_ONLY) if row.lesson and not row.lesson.strip() else KEEP


def short_enough(row: Row, settings: Curation) -> Keep | Drop:
    """The lesson is no longer than a completion may be."""
    length, limit = len(row.lesson), settings.max_lesson_characters
    return Drop(Reason.TOO_LONG, f"{length} characters, limit {limit}") if length > limit else KEEP


def whole_token(row: Row, settings: Curation) -> Keep | Drop:
    """The lesson does not end inside a word: neither the commit nor the suffix goes on with a word character."""
    after = (row.committed or "")[len(row.lesson) :] or row.suffix
    inside = bool(WORD.match(row.lesson[-1:]) and WORD.match(after[:1]))
    return Drop(Reason.MID_TOKEN) if inside else KEEP


def not_after_the_gap(row: Row, settings: Curation) -> Keep | Drop:
    """The lesson does not already stand right after the gap, white space aside."""
    if _words(row.lesson) < REPEAT_CHARACTERS:
        return KEEP
    # the same words take no more than the lesson's length and some white space
    after = row.suffix[: 2 * len(row.lesson) + 200]
    lesson = "".join(row.lesson.split())
    return Drop(Reason.REPEATS_SUFFIX) if "".join(after.split()).startswith(lesson) else KEEP


def not_before_the_gap(row: Row, settings: Curation) -> Keep | Drop:
    """The lines that the lesson completes are not those right before them once more."""
    if _words(row.lesson) < REPEAT_CHARACTERS:
        return KEEP
    before, _, open_line = row.prefix.rpartition("\n")
    written = _lines(open_line + row.lesson)
    above = _lines(before[-4 * len(row.lesson) - 1000 :])
    return Drop(Reason.REPEATS_PREFIX) if above[-len(written) :] == written else KEEP


def _words(text: str) -> int:
    return len(WORD.findall(text))


def _lines(text: str) -> list[str]:
    """The lines that are not blank, without the white space around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]

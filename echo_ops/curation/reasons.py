"""Why a lifecycle becomes no lesson: one closed vocabulary, in the order in which the rules look."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """A reason to drop a row: the stage that drops it, and what it means. ``name.lower()`` is what is stored."""

    NO_CONSENT = "consent", "the user did not consent, or withdrew"
    UNKNOWN_COMMIT = "boundaries", "what the user left cannot be known: lost events, or an anchor gone from view"
    HORIZON = "boundaries", "the gap was still open when the reading window ended"
    AMBIGUOUS = "boundaries", "the commit has two readings, such as a duplicated line"
    TEACHER_INVALID = "teacher", "the teacher gave no answer that is one of the choices, or a cut outside the commit"
    REJECT_BOUNDARY = "teacher", "the teacher found no cut that fits"
    REJECT_INCONSISTENT = "teacher", "the teacher found names, types or structure that do not fit the context"
    REJECT_NOISE = "teacher", "the teacher found a slip, a paste or other text that nobody should learn"
    SILENCE_CONTRADICTED = (
        "boundaries",
        "nothing stood in the gap when it closed, but text did 120 s after the request",
    )
    WHITESPACE_ONLY = "boundaries", "the lesson is white space alone"
    MID_TOKEN = "boundaries", "the lesson ends in the middle of a token"
    REPEATS_SUFFIX = "boundaries", "the lesson already stands after the gap"
    REPEATS_PREFIX = "boundaries", "the lesson repeats the lines before the gap"
    SECRET_IN_LESSON = "redaction", "the lesson holds a key, a token or a password"
    PERSONAL_DATA_IN_LESSON = "redaction", "the lesson holds an e-mail address, a phone number or an IP address"
    UNCERTAIN = "boundaries", "the commit was inferred where its evidence has to be exact"
    UNSURE = "teacher", "the probability of the teacher's cut or verdict is below the threshold"
    TOO_LONG = "boundaries", "the lesson is longer than a completion may be"
    BREAKS_SYNTAX = "syntax", "the context parses with fewer errors without the lesson than with it"
    UNKNOWN_NAMES = "consistency", "the lesson uses names that neither the context nor the language knows"
    TOO_EASY = "perplexity", "the student writes the lesson already"
    TOO_HARD = "perplexity", "the lesson is noise to the student"
    CONTAMINATED = "duplicates", "an evaluation row, or a static evaluation set, holds the lesson"
    OVERLAP = "duplicates", "an earlier request of the document teaches the same line of the same commit"
    DUPLICATE = "duplicates", "a newer request has the same context and lesson"
    NEAR_DUPLICATE = "duplicates", "a newer request has nearly the same context and lesson"
    USER_CAP = "balance", "the user has more lessons that day than one user may have"
    REPOSITORY_CAP = "balance", "the repository has more lessons that day than one repository may have"
    LENGTH_SHARE = "balance", "there are more lessons of its length that day than their share allows"
    LANGUAGE_SHARE = "balance", "there are more lessons of its language that day than their share allows"
    VOID_SHARE = "balance", "there are more lessons of silence that day than their share allows"

    def __init__(self, stage: str, meaning: str) -> None:
        self.stage = stage
        self.meaning = meaning

    @property
    def code(self) -> str:
        """What stands in the column ``reason``."""
        return self.name.lower()


def markdown() -> str:
    """The vocabulary as a Markdown table; docs/concepts/curation.md holds it, and a test compares."""
    rows = [f"| `{reason.code}` | {reason.stage} | {reason.meaning} |" for reason in Reason]
    return "\n".join(["| reason | stage | meaning |", "|---|---|---|", *rows])

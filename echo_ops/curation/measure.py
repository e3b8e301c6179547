"""What a row is worth, measured once: everything that the rules decide on, and the texts without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from echo_ops.curation import boundaries, consistency, duplicates, evaluation_sets, syntax
from echo_ops.curation.reasons import Reason
from echo_ops.curation.redaction import Redacted, redact
from echo_ops.curation.rule import Drop, Row, Scores
from echo_ops.curation.rules import beyond_repair
from echo_ops.schema.verdicts import VERDICTS_OF_A_TEACHER


@dataclass(frozen=True, slots=True)
class Outside:
    """What is known of rows beside their texts. Written by ``curate.refine``."""

    withdrawn: frozenset[str] = frozenset()  # users who do not consent
    student_nats: Mapping[str, float] | None = None  # by request
    evaluation: frozenset[str] = frozenset()  # shingles of static evaluation sets


def measure(
    lifecycle: Mapping[str, Any], verdict: Mapping[str, Any] | None, outside: Outside
) -> tuple[Scores, Row | None, Redacted | None]:
    """A row's scores but for its signature, its texts, and these redacted.

    Texts are None where no threshold can make a lesson of the row, and redacted ones where its lesson holds a secret
    or personal data: what was not measured then stays null.

    Args:
        lifecycle: a row of ``LIFECYCLES``.
        verdict: its row of ``VERDICTS``.
        outside: beside the texts.
    """
    committed = lifecycle["committed"]
    scores = Scores(
        request_id=lifecycle["request_id"],
        user_id=lifecycle["user_id"],
        repository=lifecycle["repository"],
        document_id=lifecycle["document_id"],
        language=lifecycle["language"],
        requested_at=lifecycle["requested_at"],
        close_reason=lifecycle["close_reason"],
        evidence=lifecycle["evidence"],
        confidence=lifecycle["confidence"],
        consents=lifecycle["user_id"] not in outside.withdrawn,
        known=committed is not None,
    )
    if verdict is not None and _makes_sense(verdict, committed):
        scores.verdict = verdict["verdict"]
        probabilities = (verdict["cut_probability"], verdict["verdict_probability"])
        scores.probability = min((p for p in probabilities if p is not None), default=None)
    if verdict is None or beyond_repair(scores):
        return scores, None, None
    row = Row(
        language=lifecycle["language"],
        prefix=lifecycle["prefix"],
        suffix=lifecycle["suffix"],
        proposal=lifecycle["proposal"],
        committed=committed,
        committed_120s=lifecycle["committed_120s"],
        verdict=verdict["verdict"],
        lesson=committed[: verdict["cut"]] if verdict["verdict"] == "fill" else "",
    )
    scores.lesson_characters = len(row.lesson)
    scores.contradicted = boundaries.contradicted(row)
    scores.blank = boundaries.blank(row)
    scores.mid_token = boundaries.mid_token(row)
    scores.repeats_suffix = boundaries.repeats_suffix(row)
    scores.repeats_prefix = boundaries.repeats_prefix(row)
    if beyond_repair(scores):
        return scores, None, None
    redacted = redact(row)
    scores.secret = isinstance(redacted, Drop) and redacted.reason is Reason.SECRET_IN_LESSON
    scores.personal_data = isinstance(redacted, Drop) and redacted.reason is Reason.PERSONAL_DATA_IN_LESSON
    if isinstance(redacted, Drop):
        return scores, row, None
    if window := syntax.window_of(row):
        scores.syntax_errors = syntax.added_errors(row, window)
        scores.names, scores.unknown_names = consistency.unknown_names(row, window)
    if outside.evaluation:
        overlap = evaluation_sets.overlap(outside.evaluation, row.prefix, row.lesson, row.suffix)
        scores.evaluation_overlap = overlap if row.lesson else 0.0
    if outside.student_nats is not None:
        scores.student_nats = outside.student_nats.get(scores.request_id)
    scores.commit_key = duplicates.commit_key(scores.document_id, row.prefix, row.committed, row.lesson, row.suffix)
    scores.content_key = duplicates.content_key(row.language, row.prefix, row.lesson, row.suffix)
    return scores, row, redacted


def _makes_sense(verdict: Mapping[str, Any], committed: str | None) -> bool:
    """To fill takes a cut inside the commit; silence and rejection take any."""
    cut, said = verdict["cut"], verdict["verdict"]
    return said in VERDICTS_OF_A_TEACHER and 0 <= cut <= len(committed or "") and (said != "fill" or cut > 0)

"""The rules on one row: each decides from its scores and the settings. The first that drops gives the reason."""

from __future__ import annotations

from echo_ops.curation.reasons import Reason
from echo_ops.curation.rule import KEEP, Drop, Keep, Rule, Scores
from echo_ops.settings import Curation

REJECTS = {
    "reject_boundary": Reason.REJECT_BOUNDARY,
    "reject_inconsistent": Reason.REJECT_INCONSISTENT,
    "reject_noise": Reason.REJECT_NOISE,
}


def consents(scores: Scores) -> Keep | Drop:
    """The user agrees."""
    return KEEP if scores.consents else Drop(Reason.NO_CONSENT)


def known_commit(scores: Scores) -> Keep | Drop:
    """What the user left is known, and the gap closed inside the reading window."""
    if not scores.known:
        return Drop(Reason.UNKNOWN_COMMIT, scores.close_reason)
    return Drop(Reason.HORIZON) if scores.close_reason == "horizon" else KEEP


def unambiguous(scores: Scores) -> Keep | Drop:
    """The commit has one reading."""
    return Drop(Reason.AMBIGUOUS) if scores.confidence == "ambiguous" else KEEP


def judged(scores: Scores) -> Keep | Drop:
    """The teacher gave an answer that makes sense, and did not reject the row."""
    if scores.verdict is None:
        return Drop(Reason.TEACHER_INVALID)
    return Drop(REJECTS[scores.verdict]) if scores.verdict in REJECTS else KEEP


def well_cut(scores: Scores) -> Keep | Drop:
    """The lesson begins and ends where one may."""
    if scores.contradicted:
        return Drop(Reason.SILENCE_CONTRADICTED)
    if scores.blank:
        return Drop(Reason.WHITESPACE_ONLY)
    if scores.mid_token:
        return Drop(Reason.MID_TOKEN)
    if scores.repeats_suffix:
        return Drop(Reason.REPEATS_SUFFIX)
    return Drop(Reason.REPEATS_PREFIX) if scores.repeats_prefix else KEEP


FACTS = (consents, known_commit, unambiguous, judged, well_cut)
"""Rules without a threshold: what they drop stays dropped, and nothing more of it is measured."""


def beyond_repair(scores: Scores) -> bool:
    """Whether the row is dropped whatever the settings, by what is measured of it so far."""
    return any(isinstance(rule(scores), Drop) for rule in FACTS)


def clean(scores: Scores, settings: Curation) -> Keep | Drop:
    """The lesson holds no secret and no personal data."""
    if scores.secret:
        return Drop(Reason.SECRET_IN_LESSON)
    return Drop(Reason.PERSONAL_DATA_IN_LESSON) if scores.personal_data else KEEP


def certain(scores: Scores, settings: Curation) -> Keep | Drop:
    """The commit is as certain as its evidence asks for."""
    least = {
        "edits": settings.confidence_of_edits,
        "snapshots": settings.confidence_of_snapshots,
        "requests": settings.confidence_of_requests,
    }[scores.evidence]
    return Drop(Reason.UNCERTAIN, scores.evidence) if least == "exact" != scores.confidence else KEEP


def sure(scores: Scores, settings: Curation) -> Keep | Drop:
    """The teacher's answers are probable enough; answers without a probability pass."""
    if scores.probability is None or scores.probability >= settings.min_probability:
        return KEEP
    return Drop(Reason.UNSURE, f"probability {scores.probability:.3f}, limit {settings.min_probability}")


def short_enough(scores: Scores, settings: Curation) -> Keep | Drop:
    """The lesson is no longer than a completion may be."""
    length, limit = scores.lesson_characters, settings.max_lesson_characters
    return Drop(Reason.TOO_LONG, f"{length} characters, limit {limit}") if length > limit else KEEP


def well_formed(scores: Scores, settings: Curation) -> Keep | Drop:
    """The lesson brings no syntax errors; languages without a grammar pass."""
    added = scores.syntax_errors or 0
    return Drop(Reason.BREAKS_SYNTAX, f"{added} more errors") if added > 0 else KEEP


def consistent(scores: Scores, settings: Curation) -> Keep | Drop:
    """Not too many of the lesson's names come from nowhere; languages without a grammar pass."""
    unknown, names = scores.unknown_names or 0, scores.names or 0
    too_many = unknown >= settings.min_unknown_names and unknown > settings.max_unknown_share * names
    return Drop(Reason.UNKNOWN_NAMES, f"{unknown} of {names} names") if too_many else KEEP


def instructive(scores: Scores, settings: Curation) -> Keep | Drop:
    """The student neither writes the lesson already nor finds it absurd; lessons that it did not score pass."""
    nats, low, high = scores.student_nats, settings.min_student_nats, settings.max_student_nats
    if nats is not None and low is not None and nats < low:
        return Drop(Reason.TOO_EASY, f"{nats:.3f} nats a character, limit {low}")
    if nats is not None and high is not None and nats > high:
        return Drop(Reason.TOO_HARD, f"{nats:.3f} nats a character, limit {high}")
    return KEEP


def in_no_evaluation_set(scores: Scores, settings: Curation) -> Keep | Drop:
    """No static evaluation set holds too much of the lesson."""
    overlap, limit = scores.evaluation_overlap or 0.0, settings.max_evaluation_overlap
    return Drop(Reason.CONTAMINATED, f"overlap {overlap:.2f}, limit {limit}") if overlap > limit else KEEP


THRESHOLDS: tuple[Rule, ...] = (
    clean,
    certain,
    sure,
    short_enough,
    well_formed,
    consistent,
    instructive,
    in_no_evaluation_set,
)


def decide(scores: Scores, settings: Curation) -> Keep | Drop:
    """Whether a row goes on to the rules on many rows."""
    for fact in FACTS:
        if isinstance(said := fact(scores), Drop):
            return said
    for rule in THRESHOLDS:
        if isinstance(said := rule(scores, settings), Drop):
            return said
    return KEEP

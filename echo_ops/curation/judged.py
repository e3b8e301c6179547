"""Rules on what the teacher said. Rows that ``boundaries.known_commit`` or ``closed`` drops have no verdict."""

from __future__ import annotations

from echo_ops.curation.reasons import Reason
from echo_ops.curation.rule import KEEP, Drop, Keep, Row
from echo_ops.settings import Curation

REJECTS = {
    "reject_boundary": Reason.REJECT_BOUNDARY,
    "reject_inconsistent": Reason.REJECT_INCONSISTENT,
    "reject_noise": Reason.REJECT_NOISE,
}


def valid(row: Row, settings: Curation) -> Keep | Drop:
    """There is a verdict that makes sense: to fill takes a cut inside the commit; silence and rejection take any."""
    if row.verdict is None or row.cut is None:
        return Drop(Reason.TEACHER_INVALID)
    known = row.verdict in REJECTS or row.verdict == "silence" or (row.verdict == "fill" and row.cut > 0)
    inside = 0 <= row.cut <= len(row.committed or "")
    return KEEP if known and inside else Drop(Reason.TEACHER_INVALID)


def not_rejected(row: Row, settings: Curation) -> Keep | Drop:
    """The teacher did not reject the row."""
    reason = REJECTS.get(row.verdict or "")
    return Drop(reason) if reason else KEEP


def sure(row: Row, settings: Curation) -> Keep | Drop:
    """The teacher's answers are probable enough; answers without a probability pass."""
    known = [p for p in (row.cut_probability, row.verdict_probability) if p is not None]
    lowest = min(known, default=1.0)
    limit = settings.min_probability
    return Drop(Reason.UNSURE, f"probability {lowest:.3f}, limit {limit}") if lowest < limit else KEEP

"""What a rule sees and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from echo_ops.curation.reasons import Reason
from echo_ops.settings import Curation


@dataclass(frozen=True, slots=True)
class Row:
    """A lifecycle beside its verdict. Written by ``curate.refine``, read by the rules."""

    language: str | None
    prefix: str
    suffix: str
    proposal: str | None
    committed: str | None
    committed_120s: str | None
    close_reason: str
    confidence: str
    cut: int | None  # with all that the teacher says: None where it did not judge
    cut_probability: float | None
    verdict: str | None
    verdict_probability: float | None
    lesson: str  # the commit up to the cut for "fill", else empty


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing speaks against the row."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The row becomes no lesson; ``detail`` may hold figures, never users' text."""

    reason: Reason
    detail: str | None = None


KEEP = Keep()

Rule = Callable[[Row, Curation], Keep | Drop]

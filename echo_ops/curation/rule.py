"""What is measured of a row, what a rule sees, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from echo_ops.curation.reasons import Reason
from echo_ops.settings import Curation


@dataclass(frozen=True, slots=True)
class Row:
    """A lifecycle's texts and the lesson that the teacher made of it. Written by ``curate``, read by what measures."""

    language: str | None
    prefix: str
    suffix: str
    proposal: str | None
    committed: str
    committed_120s: str | None
    verdict: str
    lesson: str  # the commit up to the cut for "fill", else empty


@dataclass(slots=True)
class Scores:
    """A row of ``SCORES``, which explains the columns. Written by ``measure``, read by the rules."""

    request_id: str
    user_id: str
    repository: str | None
    document_id: str
    language: str | None
    requested_at: datetime
    close_reason: str
    evidence: str
    confidence: str
    consents: bool = True
    known: bool = True
    verdict: str | None = None
    probability: float | None = None
    lesson_characters: int = 0
    contradicted: bool = False
    blank: bool = False
    mid_token: bool = False
    repeats_suffix: bool = False
    repeats_prefix: bool = False
    syntax_errors: int | None = None
    names: int | None = None
    unknown_names: int | None = None
    secret: bool | None = None
    personal_data: bool | None = None
    evaluation_overlap: float | None = None
    student_nats: float | None = None
    commit_key: str | None = None
    content_key: str | None = None
    signature: bytes | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing speaks against the row."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The row becomes no lesson; ``detail`` may hold figures, never users' text."""

    reason: Reason
    detail: str | None = None


KEEP = Keep()

Rule = Callable[[Scores, Curation], Keep | Drop]
"""Decides from scores alone."""

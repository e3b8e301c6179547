"""Secrets and personal data: replaced in the context, reason to drop in the lesson."""

from __future__ import annotations

from dataclasses import dataclass

from echo_ops.curation.detectors import Finding, find
from echo_ops.curation.reasons import Reason
from echo_ops.curation.rule import Drop, Row

REPEATED = 8
"""Characters from which a secret is looked for everywhere in its row, beyond the place that gave it away."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """The texts of a row that may be kept. Written here, read by ``curate``."""

    prefix: str
    suffix: str
    committed: str
    proposal: str | None


def redact(row: Row) -> Redacted | Drop:
    """The row's texts with typed placeholders (``<EMAIL_1>``) for what was found, or a drop where the lesson holds any.

    The same value has the same placeholder within the row, numbered by kind in order of appearance. The texts are
    searched as one, so that what straddles the caret is found. The lesson stays as it is: a prefix of the commit.
    """
    committed = row.committed or ""
    proposal = row.proposal or ""
    # the proposal is read as the continuation of its line: a value is often known by the name before it
    line = row.prefix.rpartition("\n")[2]
    parts = (row.prefix, committed, row.suffix, "\n\n" + line, proposal)
    text = "".join(parts)
    findings = find(text)
    if not findings:
        return Redacted(row.prefix, row.suffix, committed, row.proposal)
    findings = _everywhere(text, findings)

    lesson_start = len(row.prefix)
    lesson_end = lesson_start + len(row.lesson)
    for finding in findings:
        if finding.start < lesson_end and finding.end > lesson_start and row.lesson:
            secret = finding.kind == "SECRET"
            return Drop(Reason.SECRET_IN_LESSON if secret else Reason.PERSONAL_DATA_IN_LESSON)

    names = _placeholders(text, findings)
    redacted: list[str] = []
    start = 0
    for part in parts:
        redacted.append(_replaced(text, start, start + len(part), names))
        start += len(part)
    return Redacted(redacted[0], redacted[2], redacted[1], None if row.proposal is None else redacted[4])


def _everywhere(text: str, findings: list[Finding]) -> list[Finding]:
    """The findings, and every other place where one of the longer secrets stands."""
    values = {text[f.start : f.end] for f in findings if f.kind == "SECRET" and f.end - f.start >= REPEATED}
    found = set(findings)
    for value in values:
        start = text.find(value)
        while start >= 0:
            end = start + len(value)
            if not any(start < f.end and end > f.start for f in findings):
                found.add(Finding(start, end, "SECRET"))
            start = text.find(value, end)
    return sorted(found)


def _placeholders(text: str, findings: list[Finding]) -> list[tuple[Finding, str]]:
    """Each finding's placeholder; ``findings`` are ascending."""
    named: dict[str, str] = {}
    counts: dict[str, int] = {}
    for finding in findings:
        value = text[finding.start : finding.end]
        if value not in named:
            counts[finding.kind] = counts.get(finding.kind, 0) + 1
            named[value] = f"<{finding.kind}_{counts[finding.kind]}>"
    return [(finding, named[text[finding.start : finding.end]]) for finding in findings]


def _replaced(text: str, start: int, end: int, names: list[tuple[Finding, str]]) -> str:
    """``text[start:end]`` with placeholders; a finding that reaches beyond it leaves its placeholder on either side."""
    pieces: list[str] = []
    for finding, name in names:
        if finding.start < end and finding.end > start:
            pieces += [text[start : max(start, finding.start)], name]
            start = min(end, finding.end)
    return "".join(pieces) + text[start:end]

"""Secrets and personal data: replaced in the context, reason to drop in the lesson."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from echo_ops.curation.detectors import find
from echo_ops.curation.personal import Finding
from echo_ops.curation.reasons import Reason
from echo_ops.curation.rule import Drop, Row

REPEATED = 8
"""Characters from which a secret is looked for everywhere in its row, beyond the place that gave it away."""

APART = "\n\n"
"""What keeps apart the texts that are searched together."""


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
    searched as one, so that what straddles the caret is found, and then where they meet each by itself, so that nothing
    hides by what it touches. The lesson stays as it is: a prefix of the commit.
    """
    committed = row.committed or ""
    proposal = row.proposal or ""
    line = row.prefix.rpartition("\n")[2]
    code = row.prefix + committed + row.suffix
    # the proposal is read as the continuation of its line: a value is often known by the name before it
    beside = [line + proposal, line, row.suffix.partition("\n")[0], committed, row.lesson]
    text = APART.join([code, *beside])
    findings = find(text)
    if not findings:
        return Redacted(row.prefix, row.suffix, committed, row.proposal)
    findings = _everywhere(text, findings, len(code))

    lesson_start = len(row.prefix)
    lesson_end = lesson_start + len(row.lesson)
    for finding in findings:
        if row.lesson and finding.start < lesson_end and finding.end > lesson_start:
            secret = finding.kind == "SECRET"
            return Drop(Reason.SECRET_IN_LESSON if secret else Reason.PERSONAL_DATA_IN_LESSON)

    names = _placeholders(text, findings)
    commit_end = lesson_start + len(committed)
    proposal_start = len(code) + len(APART) + len(line)
    proposed = _replaced(text, proposal_start, proposal_start + len(proposal), names)
    return Redacted(
        prefix=_replaced(text, 0, lesson_start, names),
        suffix=_replaced(text, commit_end, len(code), names),
        committed=_replaced(text, lesson_start, commit_end, names),
        proposal=None if row.proposal is None else proposed,
    )


def _everywhere(text: str, findings: list[Finding], code_length: int) -> list[Finding]:
    """The findings, and every other place of the longer secrets and of what was found beside the code."""
    values = {
        text[finding.start : finding.end]: finding.kind
        for finding in findings
        if finding.start >= code_length or (finding.kind == "SECRET" and finding.end - finding.start >= REPEATED)
    }
    found = set(findings)
    starts = [finding.start for finding in findings]
    for value, kind in values.items():
        start = text.find(value)
        while start >= 0:
            end = start + len(value)
            after = bisect_left(starts, end)  # findings stand apart: only the last one that begins before may overlap
            if not after or findings[after - 1].end <= start:
                found.add(Finding(start, end, kind))
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
        if start < end and finding.start < end and finding.end > start:
            pieces += [text[start : max(start, finding.start)], name]
            start = min(end, finding.end)
    return "".join(pieces) + text[start:end]

"""What a check found: written by ``validate``, read by pipeline (errors, notes, alerts) and by ``pages``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from echo_ops.errors import QualityError
from echo_ops.quality.expectations import Severity
from echo_ops.quality.profile import Name


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation, and what was observed: numbers and words of closed vocabularies, never a user's text."""

    passed: bool
    severity: Severity
    expectation: str  # its type, as Great Expectations names it
    column: str | None  # None: of the table as a whole
    says: str
    observed: str
    limit: str
    remedy: str
    share: float | None  # where it is about a share of the rows: the share observed (0 to 1) …
    allowed: tuple[float, float] | None  # … and between which limits it may lie

    def __str__(self) -> str:
        return f"{self.says}: {self.observed}; wanted {self.limit}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Trend:
    """A measure day by day, oldest first, the day itself last."""

    measure: str
    share: bool  # else an amount
    points: tuple[tuple[str, float], ...]  # YYYY-MM-DD, value


@dataclass(frozen=True, slots=True)
class Mix:
    """How rows lie in buckets: on the day, and in the trailing week."""

    measure: str
    buckets: tuple[tuple[str, float, float | None], ...]  # bucket, share now, share in the week (None: no week)


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one table on one day: failed ones first, the most severe first, then as the suite has them."""

    name: Name
    day: str
    rows: int
    findings: tuple[Finding, ...]
    unjudged: tuple[str, ...]  # shares of nothing, e.g. acceptance where nothing was shown; drift without a week
    trends: tuple[Trend, ...]
    mixes: tuple[Mix, ...]
    measures: pa.Table  # the day in numbers, as MEASURES; for the days after it
    docs_path: Path | None  # page of the day, all its tables

    @property
    def failures(self) -> tuple[Finding, ...]:
        """What failed, whatever its severity."""
        return tuple(finding for finding in self.findings if not finding.passed)

    @property
    def critical(self) -> tuple[Finding, ...]:
        """What stops the day."""
        return tuple(finding for finding in self.failures if finding.severity == "critical")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What somebody should look at."""
        return tuple(finding for finding in self.failures if finding.severity == "warning")

    @property
    def passed(self) -> bool:
        """Whether the day may go on."""
        return not self.critical

    def raise_if_critical(self) -> None:
        """Stop the day where it must be stopped.

        Raises:
            QualityError: one line per critical failure, with value, limit and remedy, and where to look.
        """
        if self.passed:
            return
        head = f"{self.day}: {self.name} failed {len(self.critical)} critical expectation(s); nothing is published"
        where = [f"see {self.docs_path}"] if self.docs_path else []
        raise QualityError("\n".join([head, *(f"- {failure}" for failure in self.critical), *where]))

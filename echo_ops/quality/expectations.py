"""Expectations of Great Expectations, as ``suites`` writes them down: one line for each, with its severity.

The ``meta`` of each says in words what it means, and what to do when it fails; both go into errors, alerts and pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from echo_ops.quality.profile import PROFILES, Name

Severity = Literal["critical", "warning", "info"]


def _meta(severity: Severity, says: str, remedy: str) -> dict[str, Any]:
    return {"severity": severity, "meta": {"says": says, "remedy": remedy}, "notes": f"{says}. If not: {remedy}."}


def columns_of(name: Name) -> Any:
    import great_expectations.expectations as gxe

    remedy = "the shard was staged by another version: harvest the day again"
    return gxe.ExpectTableColumnsToMatchSet(
        column_set=PROFILES[name].names, exact_match=False, **_meta("critical", "columns of the profile", remedy)
    )


def row_count(severity: Severity, low: int, says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectTableRowCountToBeBetween(min_value=low, **_meta(severity, says, remedy))


def at_least_in_all(severity: Severity, column: str, low: int, says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnSumToBeBetween(column=column, min_value=low, **_meta(severity, says, remedy))


def words(severity: Severity, column: str, vocabulary: Sequence[str], says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(vocabulary), **_meta(severity, says, remedy))


def within(
    severity: Severity, column: str, low: float | None, high: float | None, outside: float, says: str, remedy: str
) -> Any:
    """At most the share ``outside`` of the values lies outside ``low`` to ``high``."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, mostly=1 - outside, **_meta(severity, says, remedy)
    )


def share_between(
    severity: Severity, column: str, low: float | None, high: float | None, says: str, remedy: str
) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnMeanToBeBetween(
        column=column, min_value=low, max_value=high, **_meta(severity, says, remedy)
    )


def amount_between(
    severity: Severity, column: str, low: float | None, high: float | None, says: str, remedy: str
) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnMaxToBeBetween(column=column, min_value=low, max_value=high, **_meta(severity, says, remedy))


def share(severity: Severity, column: str, high: float, says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnMeanToBeBetween(column=column, max_value=high, **_meta(severity, says, remedy))


def some(severity: Severity, column: str, low: float, says: str, remedy: str) -> Any:
    """More than the share ``low``."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnMeanToBeBetween(
        column=column, min_value=low, strict_min=True, **_meta(severity, says, remedy)
    )


def known(severity: Severity, column: str, low: float, says: str, remedy: str) -> Any:
    """At least the share ``low`` of the values is known."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToNotBeNull(column=column, mostly=low, **_meta(severity, says, remedy))


def longest(severity: Severity, column: str, low: int, says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnMaxToBeBetween(column=column, min_value=low, **_meta(severity, says, remedy))

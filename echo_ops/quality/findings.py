"""What Great Expectations found, in words and numbers: never a value of a row, only counts and shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from echo_ops.quality.report import Finding


def finding_of(result: Any) -> Finding:
    """The finding of one result of a validation."""
    configured = result.expectation_config
    arguments: dict[str, Any] = configured.kwargs
    share, allowed = _share(configured.type, result.result, arguments)
    return Finding(
        passed=bool(result.success),
        severity=getattr(configured.severity, "value", configured.severity),
        expectation=configured.type,
        column=arguments.get("column"),
        says=configured.meta["says"],
        observed=_observed(configured.type, result.result),
        limit=_limit(configured.type, arguments),
        remedy=configured.meta["remedy"],
        share=share,
        allowed=allowed,
    )


def _share(
    kind: str, result: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[float | None, tuple[float, float] | None]:
    """The share that an expectation looked at, and its limits: the mean of truths, or the share of values inside."""
    if kind == "expect_column_mean_to_be_between" and result:
        low, high = arguments.get("min_value"), arguments.get("max_value")
        return float(result["observed_value"]), (0.0 if low is None else low, 1.0 if high is None else high)
    if kind.startswith("expect_column_values") and result:
        outside, asked = _outside(kind, result)
        return (1 - outside / asked if asked else None), (arguments.get("mostly", 1.0), 1.0)
    return None, None


def _outside(kind: str, result: Mapping[str, Any]) -> tuple[int, int]:
    """How many values are not as they should be, of how many that were looked at: nulls are, if they are the matter."""
    looked_at = result["element_count"]
    if kind != "expect_column_values_to_not_be_null":
        looked_at -= result.get("missing_count", 0)
    return result["unexpected_count"], looked_at


def _observed(kind: str, result: Mapping[str, Any]) -> str:
    if not result:
        return "cannot be evaluated (a column is missing or of another type)"
    if kind == "expect_table_columns_to_match_set":
        missing = result.get("details", {}).get("mismatched", {}).get("missing")
        return f"{', '.join(missing)} missing" if missing else "all there"
    if "observed_value" in result:
        value = result["observed_value"]
        return _percent(value) if kind == "expect_column_mean_to_be_between" else _number(value)
    outside, asked = _outside(kind, result)
    return f"{outside:,} of {asked:,} are not ({_percent(outside / asked if asked else 0.0)})"


def _limit(kind: str, arguments: Mapping[str, Any]) -> str:
    if kind == "expect_table_columns_to_match_set":
        return "all of them"
    shown = _percent if kind == "expect_column_mean_to_be_between" else _number
    low: Any = arguments.get("min_value")
    high: Any = arguments.get("max_value")
    if kind == "expect_column_values_to_be_in_set":
        limit = " | ".join(arguments["value_set"])
    elif kind == "expect_column_values_to_not_be_null":
        limit = "a value"
    elif low is not None and high is not None:
        limit = f"{shown(low)} to {shown(high)}"
    elif low is not None:
        limit = f"{'more than' if arguments.get('strict_min') else 'at least'} {shown(low)}"
    else:
        limit = f"at most {shown(high)}"
    share = arguments.get("mostly", 1.0 if kind.startswith("expect_column_values") else None)
    return limit if share is None else f"{limit} in {'all' if share >= 1 else 'at least ' + _percent(share)}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _number(value: float) -> str:
    return f"{value:,.6g}" if isinstance(value, float) and not float(value).is_integer() else f"{int(value):,}"

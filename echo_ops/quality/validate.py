"""Hold a day's profile against its suite, with Great Expectations; say what failed, and leave data docs."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.errors import InputError
from echo_ops.quality import pages
from echo_ops.quality.profile import NAMES, Name
from echo_ops.quality.report import Finding, Report
from echo_ops.quality.suites import Severity, suite
from echo_ops.settings import Quality


def validate(name: Name, profile: pa.Table, settings: Quality, *, day: str, docs: Path | None) -> Report:
    """Check one table of one day.

    The same profile, settings and day give the same report. An expectation that cannot be evaluated counts as failed.
    A share of nothing (the acceptance where nothing was shown) is not judged, and the report says so.

    Args:
        name: which table.
        profile: what ``profile`` gave, the shards put together in any order.
        settings: the limits.
        day: YYYY-MM-DD; names the page, and is the day on which the requests must have been received.
        docs: folder of all days' data docs; this table's pages of this day are replaced, and those of the tables that
            are made from it removed. None: no pages.

    Raises:
        InputError: ``name`` or ``day`` is none.
        UnavailableError: the pages cannot be written.
    """
    if name not in NAMES:
        raise InputError(f"{name} is no table that is checked; there are {', '.join(NAMES)}")
    try:
        midnight = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InputError(f"{day!r} is no day; write it as YYYY-MM-DD, e.g. 2026-11-02") from None
    table = _with_shares_of_the_day(name, profile)
    with _quiet():
        expectations = suite(name, settings, day)
        judged = [expectation for expectation in expectations if _can_be_judged(expectation, table)]
        if docs is None:
            return _report(name, day, table, expectations, _run(name, judged, table, midnight, None))
        with pages.replacing(docs / day, name) as site:
            results = _run(name, judged, table, midnight, site)
            report = _report(name, day, table, expectations, results, docs / day / "index.html")
            pages.write(site, report)
    pages.write_day(docs / day, day)
    return report


def _with_shares_of_the_day(name: Name, profile: pa.Table) -> pa.Table:
    """The profile, and the truths that take a whole day to know."""
    columns = {column: profile[column] for column in profile.column_names}
    if "user" in columns:
        counts = pc.value_counts(columns["user"])
        # Of several that are busiest the one with the smallest hash, so that the order of rows does not matter.
        ranked = sorted((-count["counts"].as_py(), count["values"].as_py()) for count in counts)
        busiest = pa.scalar(ranked[0][1] if ranked else None, pa.int64())
        columns["of_busiest_user"] = pc.equal(columns["user"], busiest)
    if name == "examples" and {"document", "split"} <= columns.keys():
        sides = pa.table({"document": columns["document"], "split": columns["split"].cast(pa.string())})
        counted = sides.group_by("document").aggregate([("split", "count_distinct")])
        both = counted.filter(pc.greater(counted["split_count_distinct"], 1))["document"]
        columns["in_both_splits"] = pc.is_in(columns["document"], value_set=both.combine_chunks())
    return pa.table(columns)


def _can_be_judged(expectation: Any, table: pa.Table) -> bool:
    """Great Expectations fails the mean of nothing; a question that never arose has no answer."""
    if expectation.expectation_type not in ("expect_column_mean_to_be_between", "expect_column_max_to_be_between"):
        return True
    return expectation.column not in table.column_names or table[expectation.column].null_count < table.num_rows


def _run(name: Name, expectations: list[Any], table: pa.Table, midnight: datetime, site: Path | None) -> list[Any]:
    """The results of Great Expectations, in the order of ``expectations``; its pages go to ``site``."""
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    for unwanted in list(context.list_data_docs_sites()):
        context.delete_data_docs_site(unwanted)
    actions = []
    if site is not None:
        context.add_data_docs_site("day", pages.gx_site(site))
        actions.append(gx.checkpoint.UpdateDataDocsAction(name="pages", site_names=["day"]))
    data = context.data_sources.add_pandas("echo").add_dataframe_asset(name).add_batch_definition_whole_dataframe("day")
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=name, data=data, suite=context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        )
    )
    checkpoint = gx.Checkpoint(name=name, validation_definitions=[definition], result_format="SUMMARY", actions=actions)
    ran = context.checkpoints.add(checkpoint).run(
        batch_parameters={"dataframe": _frame(table)},
        run_id=RunIdentifier(run_name=f"{midnight:%Y-%m-%d}", run_time=midnight),
    )
    (result,) = ran.run_results.values()
    return list(result.results)


def _frame(table: pa.Table) -> Any:
    """As pandas: truths as 0 and 1, because their mean is the share, and a null among them would make objects."""
    columns = {
        field.name: table[field.name].cast(pa.int8()) if pa.types.is_boolean(field.type) else table[field.name]
        for field in table.schema
    }
    return pa.table(columns).to_pandas(self_destruct=True)


def _report(
    name: Name, day: str, table: pa.Table, expectations: list[Any], results: list[Any], docs: Path | None = None
) -> Report:
    ranks = {severity: rank for rank, severity in enumerate(get_args(Severity))}
    places = {expectation.meta["key"]: place for place, expectation in enumerate(expectations)}
    found = {places[result.expectation_config.meta["key"]]: _finding(result) for result in results}
    ordered = sorted(found.items(), key=lambda item: (item[1].passed, ranks[item[1].severity], item[0]))
    return Report(
        name=name,
        day=day,
        rows=table.num_rows,
        findings=tuple(finding for _, finding in ordered),
        unjudged=tuple(one.meta["says"] for place, one in enumerate(expectations) if place not in found),
        docs_path=docs,
    )


def _finding(result: Any) -> Finding:
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Great Expectations' analytics, warnings and log lines; what it finds is in the report."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before its first import, which reads it
    logger = logging.getLogger("great_expectations")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)

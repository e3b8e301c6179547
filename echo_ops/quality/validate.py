"""Hold a day's profile against its suite, with Great Expectations; say what failed, and leave data docs."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.errors import InputError
from echo_ops.quality import pages
from echo_ops.quality.drift import Week, compare, mixes, trends
from echo_ops.quality.drift_suite import drift_suite
from echo_ops.quality.expectations import Severity
from echo_ops.quality.findings import finding_of
from echo_ops.quality.measures import measure, whole_day
from echo_ops.quality.profile import NAMES, Name
from echo_ops.quality.report import Finding, Report
from echo_ops.quality.suites import suite
from echo_ops.schema.measures import MEASURES
from echo_ops.settings import Quality

NO_WEEK = MEASURES.append(pa.field("day", pa.string())).empty_table()


def validate(
    name: Name,
    profile: pa.Table,
    settings: Quality,
    *,
    day: str,
    docs: Path | None,
    week: pa.Table | None = None,
) -> Report:
    """Check one table of one day, alone and beside the trailing week.

    The same arguments give the same report. An expectation that cannot be evaluated counts as failed. A share of
    nothing (the acceptance where nothing was shown) is not judged, nor is a drift without enough days to compare with,
    and the report says so.

    Args:
        name: which table.
        profile: what ``profile`` gave, the shards put together in any order.
        settings: the limits.
        day: YYYY-MM-DD; names the page, and is the day on which the requests must have been received.
        docs: folder of all days' data docs; this table's pages of this day are replaced, and those of the tables that
            are made from it removed. None: no pages.
        week: measures of the published days before it, as MEASURES with a column ``day``; None: there are none.

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
    table = whole_day(name, profile, settings.min_shown)
    measures = measure(name, table)
    now = Week.read(measures.append_column("day", pa.array([day] * measures.num_rows, pa.string())), name)
    before = Week.read(week if week is not None else NO_WEEK, name)
    comparisons, unjudged = compare(name, now, before, settings)
    with _quiet():
        alone = suite(name, settings, day, len(pc.unique(table["user"])) if "user" in table.column_names else None)
        batches = [Batch(name, table, [one for one in alone if _can_be_judged(one, table)])]
        if comparisons:
            row = pa.table({one.column: pa.array([one.value], pa.float64()) for one in comparisons})
            batches.append(Batch(f"{name}-week", row, drift_suite(name, comparisons)))
        unjudged = [one.meta["says"] for one in alone if one not in batches[0].expectations] + unjudged
        made = partial(
            Report,
            name=name,
            day=day,
            rows=table.num_rows,
            unjudged=tuple(unjudged),
            trends=trends(name, now, before),
            mixes=mixes(name, now, before),
            measures=measures,
        )
        if docs is None:
            return made(findings=_findings(batches, _run(batches, midnight, None)), docs_path=None)
        with pages.replacing(docs / day, name) as site:
            results = _run(batches, midnight, site)
            report = made(findings=_findings(batches, results), docs_path=docs / day / "index.html")
            pages.write(site, report)
    pages.write_day(docs / day, day)
    return report


@dataclass(frozen=True, slots=True)
class Batch:
    """A table and what must hold of it."""

    name: str
    table: pa.Table
    expectations: list[Any]


def _can_be_judged(expectation: Any, table: pa.Table) -> bool:
    """Great Expectations fails the mean of nothing; a question that never arose has no answer."""
    if expectation.expectation_type not in ("expect_column_mean_to_be_between", "expect_column_max_to_be_between"):
        return True
    return expectation.column not in table.column_names or table[expectation.column].null_count < table.num_rows


def _run(batches: list[Batch], midnight: datetime, site: Path | None) -> list[list[Any]]:
    """The results of Great Expectations for each batch; its pages go to ``site``."""
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
    source = context.data_sources.add_pandas("echo")
    found = []
    for batch in batches:
        name = batch.name
        expected = context.suites.add(gx.ExpectationSuite(name=name, expectations=batch.expectations))
        data = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("day")
        definition = gx.ValidationDefinition(name=name, data=data, suite=expected)
        checkpoint = gx.Checkpoint(
            name=name,
            validation_definitions=[context.validation_definitions.add(definition)],
            result_format="SUMMARY",
            actions=actions,
        )
        ran = context.checkpoints.add(checkpoint).run(
            batch_parameters={"dataframe": _frame(batch.table)},
            run_id=RunIdentifier(run_name=f"{midnight:%Y-%m-%d}", run_time=midnight),
        )
        (result,) = ran.run_results.values()
        found.append(list(result.results))
    return found


def _frame(table: pa.Table) -> Any:
    """As pandas: truths as 0 and 1, because their mean is the share, and a null among them would make objects."""
    columns = {
        field.name: table[field.name].cast(pa.int8()) if pa.types.is_boolean(field.type) else table[field.name]
        for field in table.schema
    }
    return pa.table(columns).to_pandas(self_destruct=True)


def _findings(batches: list[Batch], results: list[list[Any]]) -> tuple[Finding, ...]:
    """Failed ones first, the most severe first, then as the suites have them."""
    ranks = {severity: rank for rank, severity in enumerate(get_args(Severity))}
    found = []
    for place, (batch, of_batch) in enumerate(zip(batches, results, strict=True)):
        keys = [expectation.meta["key"] for expectation in batch.expectations]
        for result in of_batch:
            finding = finding_of(result)
            key = keys.index(result.expectation_config.meta["key"])
            found.append(((finding.passed, ranks[finding.severity], place, key), finding))
    return tuple(finding for _, finding in sorted(found, key=lambda item: item[0]))


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

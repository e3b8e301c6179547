"""The checks of a harvest: what was staged against its expectations, and beside the trailing week."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import pyarrow as pa

from echo_ops.lake.tables import DAY, Lake
from echo_ops.pipeline.manifest import Manifest
from echo_ops.schema.measures import MEASURES
from echo_ops.settings import Settings

log = logging.getLogger(__name__)

CheckedStage = Literal["lifecycles", "examples"]
CheckedTable = Literal["events", "lifecycles", "examples"]
CHECKED: dict[CheckedStage, tuple[CheckedTable, ...]] = {
    "lifecycles": ("events", "lifecycles"),
    "examples": ("examples",),
}
"""Which tables are checked after which stage."""

_SHARDS: dict[CheckedStage, int] = {"lifecycles": 0, "examples": 1}
"""The shard under which each check stages its measures."""

WEEK = 7
"""Days before a day with which it is compared: one of each weekday."""


def check(day: date, stage: CheckedStage, before: Sequence[Manifest], settings: Settings) -> Manifest:
    """Check what was staged against the expectations and beside the trailing week.

    Warnings become notes and one message to whom ``ECHO_ALERTS`` names; a stopped day leaves nothing staged.

    Raises:
        QualityError: a critical expectation failed; the day goes no further.
    """
    from echo_ops.pipeline.alerts import notify
    from echo_ops.quality.validate import validate

    lake = Lake(settings.lake_uri)
    week = trailing_week(lake, day)
    reports = []
    for table in CHECKED[stage]:
        names = f"{table}_profile"
        profiles = [lake.staged(day, names, manifest.shard or 0, manifest.hashes[names]) for manifest in before]
        rows = pa.concat_tables(profiles)
        docs = data_docs_home(settings)
        reports.append(validate(table, rows, settings.quality, day=day.isoformat(), docs=docs, week=week))
    if not all(report.passed for report in reports):
        lake.discard_staged(day)  # users' code is not kept for a day that goes no further
    for report in reports:
        report.raise_if_critical()
    warnings = [str(warning) for report in reports for warning in report.warnings]
    notes = [str(failure) for report in reports for failure in report.failures]
    measures = pa.concat_tables([report.measures for report in reports])
    staged = lake.stage(day, "measures", _SHARDS[stage], measures)
    where = data_docs(settings, day) / "index.html"
    log.info("%s: %s passed with %d warning(s); see %s", day, " and ".join(CHECKED[stage]), len(warnings), where)
    if warnings:
        lines = [*(f"- {warning}" for warning in warnings), f"The day goes on; see {where}"]
        notify(settings, f"Echo Ops: {day} has {len(warnings)} warning(s)", "\n".join(lines))
    return Manifest(f"check {stage}", day.isoformat(), _SHARDS[stage], hashes={"measures": staged}, notes=tuple(notes))


def trailing_week(lake: Lake, day: date) -> pa.Table:
    """The measures of the published days among the seven before ``day``, as MEASURES with ``day``."""
    wanted = {day - timedelta(days=number) for number in range(1, WEEK + 1)}
    published_days = sorted(wanted & set(lake.days()))
    return pa.Table.from_batches(lake.read("measures", published_days), MEASURES.append(DAY))


def data_docs_home(settings: Settings) -> Path:
    """The folder of all days' data docs."""
    return settings.home.absolute() / "data-docs"


def data_docs(settings: Settings, day: date) -> Path:
    """Where a day's data docs are."""
    return data_docs_home(settings) / day.isoformat()

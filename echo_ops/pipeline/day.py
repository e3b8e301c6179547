"""Which day a run is for: one resolver for schedules, backfills, manual runs and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from echo_ops.errors import InputError


def parse(text: str) -> date:
    """A day written as YYYY-MM-DD.

    Raises:
        InputError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is no day; write it as YYYY-MM-DD, e.g. 2026-11-02") from None


def resolve(context: Mapping[str, Any], *, backfill: bool = True) -> date:
    """The day of an Airflow run.

    First found, first taken: the partition key (schedule and backfill), the parameter ``day`` (a manual run), the start
    of the data interval. Never today's date: a run that is repeated later must mean the same day.

    Args:
        context: the task's context.
        backfill: whether a backfill may run this DAG at all.

    Raises:
        InputError: the run names no day, or no valid one, or is a backfill where none is allowed.
    """
    run = context.get("dag_run")
    run_type = getattr(run, "run_type", None)
    if not backfill and getattr(run_type, "value", run_type) == "backfill":
        raise InputError("backfills harvest, they never train or promote; trigger this DAG by hand with a day")
    key = context.get("partition_key") or getattr(run, "partition_key", None)
    if key:
        return parse(str(key))
    asked = (context.get("params") or {}).get("day")
    if asked:
        return parse(str(asked))
    start = context.get("data_interval_start")
    if isinstance(start, datetime):
        return start.date()
    raise InputError('this run names no day; trigger it with a partition key or with {"day": "YYYY-MM-DD"}')

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from echo_ops.errors import InputError
from echo_ops.pipeline.day import parse, resolve
from echo_ops.pipeline.extract import Window
from echo_ops.settings import Harvest, Settings

SCHEDULED = SimpleNamespace(partition_key=None, run_type="scheduled")


@pytest.mark.parametrize(
    ("context", "day"),
    [
        ({"partition_key": "2026-11-02"}, date(2026, 11, 2)),
        ({"dag_run": SimpleNamespace(partition_key="2026-11-03", run_type="backfill")}, date(2026, 11, 3)),
        ({"partition_key": "2026-11-02", "params": {"day": "2026-11-09"}}, date(2026, 11, 2)),
        ({"dag_run": SCHEDULED, "params": {"day": "2026-11-04"}}, date(2026, 11, 4)),
        ({"params": {"day": None}, "data_interval_start": datetime(2026, 11, 5, tzinfo=UTC)}, date(2026, 11, 5)),
    ],
)
def test_the_first_that_names_a_day_is_taken(context: dict[str, Any], day: date) -> None:
    assert resolve(context) == day


@pytest.mark.parametrize(
    "context", [{}, {"params": {}}, {"params": {"day": "yesterday"}}, {"partition_key": "2026-13-01"}]
)
def test_a_run_without_a_valid_day_is_refused(context: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="YYYY-MM-DD"):
        resolve(context)


def test_a_backfill_can_be_refused() -> None:
    backfill = {"partition_key": "2026-11-02", "dag_run": SimpleNamespace(partition_key=None, run_type="backfill")}
    assert resolve(backfill) == date(2026, 11, 2)
    with pytest.raises(InputError, match="never train"):
        resolve(backfill, backfill=False)


def test_a_day_that_is_none_is_named() -> None:
    with pytest.raises(InputError, match=r"'02\.11\.2026' is no day"):
        parse("02.11.2026")


def test_a_window_has_its_lead_and_its_grace() -> None:
    window = Window.of(date(2026, 11, 2), Settings(harvest=Harvest(grace_hours=2, lead_minutes=30)))
    assert [f"{at:%d %H:%M}" for at in (window.start, window.day_start, window.day_end, window.end)] == [
        "01 23:30",
        "02 00:00",
        "03 00:00",
        "03 02:00",
    ]

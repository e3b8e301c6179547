"""A day beside its week, in numbers alone; and what is drawn of it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from echo_ops.lake.tables import DAY, Lake, batches_of
from echo_ops.pipeline.checks import trailing_week
from echo_ops.quality import charts, pages
from echo_ops.quality.drift import Comparison, Week, compare, mixes, trends
from echo_ops.quality.measures import labels
from echo_ops.schema.days import DAYS
from echo_ops.schema.measures import MEASURES
from echo_ops.settings import Quality

Measures = dict[str, dict[str, tuple[int, int]]]


def day_of(
    accepted: int = 300,
    shown: int = 1000,
    users: int = 100,
    rows: int = 2000,
    python: int = 1400,
    other: str = "go",
    lost: int = 20,
) -> Measures:
    return {
        "rows": {"": (rows, 1)},
        "users": {"": (users, 1)},
        "accepted": {"": (accepted, shown)},
        "events_lost": {"": (lost, rows)},
        "language": {"python": (python, rows), other: (rows - python, rows)},
    }


def week_of(*days: Measures) -> Week:
    return Week({f"2026-11-{number + 1:02}": one for number, one in enumerate(days)})


def found(today: Measures, week: Week, **limits: Any) -> dict[str, Comparison]:
    comparisons, _ = compare("lifecycles", Week({"2026-11-09": today}), week, Quality(**limits))
    return {one.column: one for one in comparisons}


def failed(today: Measures, week: Week, **limits: Any) -> set[str]:
    return {
        column
        for column, one in found(today, week, **limits).items()
        if (one.low is not None and one.value < one.low) or (one.high is not None and one.value > one.high)
    }


STEADY = week_of(*[day_of()] * 7)


def test_a_day_like_its_week_is_inside_all_limits() -> None:
    assert failed(day_of(), STEADY) == set()
    assert {"accepted_share", "accepted_collapse", "language_mix", "language_vanished", "rows_amount"} <= set(
        found(day_of(), STEADY)
    )


@pytest.mark.parametrize(
    ("today", "columns"),
    [
        (day_of(accepted=409), {"accepted_share"}),  # 30 % may move by 5 points, and by 5 for a chance of 100 users
        (day_of(accepted=399), set()),
        (day_of(accepted=191), {"accepted_share"}),
        (day_of(accepted=201), set()),
        (day_of(accepted=29), {"accepted_share", "accepted_collapse"}),
        (day_of(lost=300), {"events_lost_share"}),
        (day_of(lost=0), set()),
        (day_of(python=1820), {"language_mix"}),
        (day_of(python=1780), set()),
        (day_of(python=2000, other="rust"), {"language_mix", "language_vanished"}),
        (day_of(rows=6001, python=4201, lost=60), {"rows_amount"}),
        (day_of(rows=6000, python=4200, lost=60), set()),
        (day_of(users=30), {"users_amount"}),
    ],
)
def test_what_a_day_may_differ_by(today: Measures, columns: set[str]) -> None:
    assert failed(today, STEADY) == columns


def test_a_week_that_varies_allows_more() -> None:
    varied = week_of(*[day_of(accepted=accepted) for accepted in (240, 260, 280, 300, 320, 340, 360)])
    assert failed(day_of(accepted=450), varied) == set()
    assert failed(day_of(accepted=450), STEADY) == {"accepted_share"}
    assert failed(day_of(accepted=450), varied, drift_deviations=1) == {"accepted_share"}


def test_one_odd_day_of_the_week_does_not_widen_it() -> None:
    odd = week_of(*[day_of()] * 6, day_of(accepted=0))
    assert failed(day_of(accepted=191), odd) == {"accepted_share"}


def test_few_users_may_differ_more() -> None:
    small = week_of(*[day_of(users=6)] * 7)
    assert failed(day_of(users=6, accepted=500), small) == set()
    assert failed(day_of(users=6, accepted=600), small) == {"accepted_share"}


def test_too_few_days_or_users_are_not_judged_and_said_so() -> None:
    q = Quality()
    comparisons, said = compare("lifecycles", Week({"today": day_of()}), week_of(day_of(), day_of()), q)
    assert (comparisons, len(said)) == ([], 1)
    assert "2 of its days" in said[0]
    _, said = compare("lifecycles", Week({"today": day_of()}), week_of(*[day_of(users=4)] * 7), q)
    assert "0 of its days" in said[0]
    comparisons, said = compare("lifecycles", Week({"today": day_of(users=4)}), STEADY, q)
    assert {one.kind for one in comparisons} == {"amount"}
    assert "fewer than 5 users" in said[0]


def test_shares_of_few_rows_are_not_compared() -> None:
    assert "accepted_share" not in found(day_of(accepted=0, shown=99), STEADY)
    assert "accepted_share" in found(day_of(accepted=0, shown=100), STEADY)


def test_a_language_that_vanished_is_named_and_a_rare_one_is_not_missed() -> None:
    gone = found(day_of(python=2000, other="rust"), STEADY)["language_vanished"]
    assert gone.value == pytest.approx(0.3)
    assert gone.usual == "go 30.0%"
    rare = week_of(*[day_of(python=1920)] * 7)
    assert failed(day_of(python=2000, other="rust"), rare) == set()
    assert failed(day_of(python=2000, other="rust"), rare, drift_vanished=0.03) == {"language_vanished"}
    unknown = week_of(*[day_of(other="unknown")] * 7)
    assert "language_vanished" not in failed(day_of(python=2000), unknown)


def test_the_week_in_any_order_is_the_same_week() -> None:
    days = {f"2026-11-0{number}": day_of(accepted=250 + 10 * number) for number in range(1, 8)}
    turned = dict(reversed(days.items()))
    assert found(day_of(), Week(days)) == found(day_of(), Week(turned))
    assert trends("lifecycles", Week({"2026-11-09": day_of()}), Week(turned))[0].points[-1][0] == "2026-11-09"


def test_buckets_are_named_by_what_lies_in_them() -> None:
    assert labels((0, 1, 8, 32)) == ["0", "1–7", "8–31", "32+"]


def measures(rows: int) -> pa.Table:
    return pa.table([["events"], ["rows"], [""], [rows], [1]], schema=MEASURES)


def test_the_trailing_week_is_of_published_days_before_the_day(tmp_path: Path) -> None:
    lake, today = Lake(str(tmp_path)), date(2026, 11, 20)
    assert trailing_week(lake, today).num_rows == 0
    published = [today + timedelta(days=number) for number in (-8, -7, -3, -1, 0, 1)]
    for day in [*published, today - timedelta(days=2)]:  # the last one was killed before its row in days
        lake.publish(day, "measures", MEASURES, batches_of(measures(day.day)))
    for day in published:
        row = pa.table({"manifest": ["{}"], "settings": ["{}"]}, schema=DAYS)
        lake.publish(day, "days", DAYS, batches_of(row))
    week = trailing_week(lake, today)
    assert week.schema.names == [*MEASURES.names, DAY.name]
    assert sorted(week["count"].to_pylist()) == [13, 17, 19]
    assert Week.read(week, "events").days == ["2026-11-13", "2026-11-17", "2026-11-19"]
    assert Week.read(week, "examples").days == []


def test_charts_escape_what_they_are_given() -> None:
    evil = '<script>"&'
    drawn = charts.mix(evil, [(evil, 0.5, 0.25)]) + charts.trend(evil, [(evil, 0.5), ("b", 1)], True)
    assert "<script" not in drawn
    assert drawn.count("&lt;script&gt;") == 6


def test_a_mix_is_drawn_beside_its_week() -> None:
    (language,) = [one for one in mixes("lifecycles", Week({"d": day_of()}), STEADY) if one.measure == "language"]
    assert [(bucket, round(now, 9), round(week or 0, 9)) for bucket, now, week in language.buckets] == [
        ("python", 0.7, 0.7),
        ("go", 0.3, 0.3),
    ]
    assert 'width="70.00"' in charts.mix("languages", language.buckets)


@pytest.mark.parametrize(
    "loads",
    [
        "<script>alert(1)</script>",
        '<script src="https://a.example/b.js"\n></script >',
        '<link rel="stylesheet" href="https://a.example/b.css">',
        "<LINK href='//a.example/b.css' rel=stylesheet>",
        '<img class="x" src="http://a.example/b.png?c=1">',
    ],
)
def test_pages_of_great_expectations_load_nothing(loads: str) -> None:
    page = pages.closed(f"<html><head></head><body>a{loads}b<a href='https://a.example'>c</a></body></html>")
    assert "ab<a href='https://a.example'>c</a>" in page
    assert "default-src 'none'" in page

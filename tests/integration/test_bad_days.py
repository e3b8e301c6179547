"""Bad days, as they come: simulated programmers, a week of good days, and one day that something broke."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import QualityError
from echo_ops.events.load import load as load_events
from echo_ops.lake.tables import TABLES, Lake
from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.pipeline.harvest import harvest, published
from echo_ops.quality.profile import profile
from echo_ops.quality.report import Finding, Report
from echo_ops.quality.validate import validate
from echo_ops.settings import Harvest, Quality, Settings
from echo_ops.simulate.noise import Noise
from echo_ops.simulate.simulate import simulate
from echo_ops.simulate.workday import Scale

FIRST = date(2026, 11, 2)
USERS = 8
GOOD_DAYS = 4
"""Three for the week, and one that is good or spoilt."""
LANGUAGES = pa.array(["python", "python", "typescript", "go"])

Spoil = Callable[[pa.Table], pa.Table]


def good_days(seed: int, days: int = GOOD_DAYS) -> list[pa.Table]:
    """Events of each day, as they stand in the database: each once, and in three languages."""
    work = simulate(
        days=days, users=USERS, seed=seed, start=FIRST, noise=Noise(), scale=Scale((1, 1), (2, 3), (150, 500))
    )
    events = pa.concat_tables([session.events for session in work])
    _, first = np.unique(events["event_id"].cast(pa.string()).to_numpy(zero_copy_only=False), return_index=True)
    events = events.take(pa.array(np.sort(first)))
    documents = events["document_id"].combine_chunks().dictionary_encode()
    events = put(events, "language", LANGUAGES.take(pc.bit_wise_and(documents.indices, 3)))
    on = events["received_at"].cast(pa.timestamp("us")).cast(pa.date32())
    return [events.filter(pc.equal(on, FIRST + timedelta(days=number))) for number in range(days)]


def put(table: pa.Table, column: str, values: Any, where: Any = None) -> pa.Table:
    place = table.schema.get_field_index(column)
    field = table.schema.field(place)
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        values = pa.scalar(values, field.type)
    mask = pc.is_valid(table["event_id"]) if where is None else where
    return table.set_column(place, field, pc.if_else(mask, values, table[column]))


def of_some(table: pa.Table, share: float) -> pa.Array:
    """The rows of so large a share of the users: those with a new client release."""
    users = sorted(pc.unique(table["user_id"]).to_pylist())
    return pc.is_in(table["user_id"], value_set=pa.array(users[: round(share * len(users))]))


def without_accepted(events: pa.Table, share: float = 1.0) -> pa.Table:
    gone = pc.and_(pc.is_in(events["kind"], pa.array(["accepted", "partially_accepted"])), of_some(events, share))
    return events.filter(pc.invert(gone))


def swapped(events: pa.Table, share: float = 1.0) -> pa.Table:
    where = of_some(events, share)
    return put(put(events, "prefix", events["suffix"], where), "suffix", events["prefix"], where)


def half_by_one_user(events: pa.Table) -> pa.Table:
    """One user's events over and over, each time in other documents, until they are half."""
    first = sorted(pc.unique(events["user_id"]).to_pylist())[0]
    mine = events.filter(pc.equal(events["user_id"], first))
    tables = [events]
    while sum(table.num_rows for table in tables[1:]) < events.num_rows:
        again = mine
        for column in ("event_id", "document_id", "request_id"):
            mark = f"{len(tables):08x}"
            again = put(again, column, pc.binary_join_element_wise(mark, pc.utf8_slice_codeunits(mine[column], 8), ""))
        tables.append(again)
    return pa.concat_tables(tables)


def in_the_future(events: pa.Table, share: float = 1.0) -> pa.Table:
    ahead = pc.add(events["occurred_at"], pa.scalar(timedelta(days=30)))
    return put(events, "occurred_at", ahead, of_some(events, share))


def without_language(events: pa.Table) -> pa.Table:
    return events.filter(pc.not_equal(events["language"], "typescript"))


def cut(events: pa.Table, share: float = 1.0) -> pa.Table:
    """A proxy that lets 100 characters of each text through."""
    where = of_some(events, share)
    for column in ("prefix", "suffix", "proposal"):
        short = pc.utf8_slice_codeunits(events[column], 0, 100)
        if column == "prefix":
            short = pc.utf8_slice_codeunits(events[column], -100, None)
        events = put(events, column, short, where)
    return events


def some(spoil: Callable[[pa.Table, float], pa.Table], share: float) -> Spoil:
    return lambda events: spoil(events, share)


BAD: dict[str, tuple[Spoil, str, set[str]]] = {
    "no client sends `accepted`": (without_accepted, "critical", {"accepted_collapse"}),
    "a release stops sending `accepted`": (some(without_accepted, 0.5), "warning", {"of_user_without_accept_share"}),
    "prefix and suffix swapped": (swapped, "critical", {"swapped"}),
    "a release swaps prefix and suffix": (some(swapped, 0.5), "critical", {"swapped"}),
    "one user sends half of all events": (half_by_one_user, "warning", {"of_busiest_user"}),
    "timestamps in the future": (in_the_future, "critical", {"lag_seconds"}),
    "one user's clock is in the future": (some(in_the_future, 0.125), "warning", {"lag_seconds"}),
    "a language vanishes": (without_language, "warning", {"language_vanished"}),
    "text cut at 100 characters": (cut, "critical", {"cut_prefix"}),
    "an empty day": (lambda events: events.slice(0, 0), "critical", {"request"}),
}
"""What broke → how, the verdict, and expectations that must have failed with that severity."""


def check(events: pa.Table, day: date, week: pa.Table | None) -> list[Report]:
    start = datetime.combine(day, time(), UTC)
    received = (start, start + timedelta(days=1))
    lifecycles = reconstruct(events, policy="default", received=received, horizon=received[1] + timedelta(hours=3))
    tables = {"events": events, "lifecycles": lifecycles}
    return [
        validate(name, profile(name, table), Quality(), day=day.isoformat(), docs=None, week=week)  # type: ignore[arg-type]
        for name, table in tables.items()
    ]


def week_of(days: list[pa.Table]) -> pa.Table:
    """The measures of good days, as the lake keeps them."""
    kept = []
    for number, events in enumerate(days):
        day = FIRST + timedelta(days=number)
        for report in check(events, day, None):
            kept.append(report.measures.append_column("day", pa.array([day] * report.measures.num_rows)))
    return pa.concat_tables(kept)


def failures(reports: list[Report]) -> list[Finding]:
    return [failure for report in reports for failure in report.failures]


@pytest.fixture(scope="module")
def days() -> list[pa.Table]:
    return good_days(seed=1)


@pytest.fixture(scope="module")
def week(days: list[pa.Table]) -> pa.Table:
    return week_of(days[:-1])


LAST = FIRST + timedelta(days=GOOD_DAYS - 1)


def test_a_good_day_passes_beside_its_week(days: list[pa.Table], week: pa.Table) -> None:
    reports = check(days[-1], LAST, week)
    assert failures(reports) == []
    for report in reports:
        assert not [said for said in report.unjudged if "week" in said]
        assert any(finding.column and finding.column.endswith("_mix") for finding in report.findings)


@pytest.mark.parametrize("what", BAD)
def test_a_bad_day_gets_its_verdict(what: str, days: list[pa.Table], week: pa.Table) -> None:
    spoil, severity, columns = BAD[what]
    reports = check(spoil(days[-1]), LAST, week)
    failed = failures(reports)
    assert columns <= {failure.column for failure in failed if failure.severity == severity}, failed
    assert all(report.passed for report in reports) == (severity != "critical"), failed
    assert all(failure.remedy for failure in failed)


def test_a_week_through_harvest(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good days pass in silence, a warning is told and published, a critical failure leaves all as it was."""
    told: list[tuple[str, str]] = []
    monkeypatch.setattr("echo_ops.pipeline.alerts.notify", lambda _, title, body: told.append((title, body)))
    days = good_days(seed=2, days=6)
    days[4] = without_language(days[4])
    days[5] = swapped(days[5])
    for number, events in enumerate(days):
        pq.write_table(events, tmp_path / f"{number}.parquet")
    load_events(database_url, sorted(tmp_path.glob("*.parquet")))
    settings = Settings(home=tmp_path, harvest=Harvest(processes=1)).with_postgres(database_url)
    on = [FIRST + timedelta(days=number) for number in range(6)]

    for day in on[:4]:
        harvest(day, settings)
    assert told == [], told
    notes = [note for manifest in published(settings).values() for note in manifest.notes if "wanted" in note]
    assert [note for note in notes if "language has vanished" in note or "beside" in note] == []

    harvest(on[4], settings)
    ((title, body),) = told
    assert (title, "typescript" in body, str(tmp_path) in body) == (f"Echo Ops: {on[4]} has 1 warning(s)", True, True)
    assert any("typescript" in note for note in published(settings)[on[4]].notes)
    page = (tmp_path / "data-docs" / on[4].isoformat() / "index.html").read_text()
    assert "typescript" in page
    first = published(settings)[on[4]]

    before = {table: list(Lake(settings.lake_uri).read(table)) for table in TABLES}
    with pytest.raises(QualityError, match="suffix moves while the prefix stands still"):
        harvest(on[5], settings)
    assert before == {table: list(Lake(settings.lake_uri).read(table)) for table in TABLES}
    assert not list((tmp_path / "lake" / "_staging").rglob("*.parquet"))
    stopped = (tmp_path / "data-docs" / on[5].isoformat() / "index.html").read_text()
    assert "Stopped" in stopped

    harvest(on[4], settings)  # the days after it do not change its verdict
    again = published(settings)[on[4]]
    assert (again.notes, again.hashes["measures"]) == (first.notes, first.hashes["measures"])
    code = {line for line in days[0]["prefix"].drop_null()[0].as_py().splitlines() if len(line) > 30}
    for file in (tmp_path / "data-docs").rglob("*.html"):
        assert not [line for line in code if line in file.read_text()]

"""Bad days, each with the verdict that it must get; and good ones, which must pass."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import InputError, QualityError, UnavailableError
from echo_ops.quality.profile import NAMES, PROFILES, Name, profile
from echo_ops.quality.report import Report
from echo_ops.quality.suites import suite
from echo_ops.quality.validate import validate
from echo_ops.schema.events import EVENTS
from echo_ops.schema.examples import EXAMPLES
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.settings import Quality

DAY = "2026-11-02"
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SECRET = "hunter2_in_the_users_text"
PREFIX = f"# {SECRET}\n" + "x = 1\n" * 100
SUFFIX = "print(x)\n"
REAL = Path(os.environ.get("ECHO_REAL_TRACES", Path(__file__).parents[4] / "shared/data/real-traces"))


def event(place: int, kind: str, **columns: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(EVENTS.names)
    at = NOON + timedelta(seconds=place)
    return {
        **row,
        "event_id": f"event-{place}",
        "kind": kind,
        "occurred_at": at,
        "received_at": at + timedelta(seconds=1),
        "user_id": f"user-{place % 4}",
        "session_id": "session",
        "document_id": f"document-{place % 4}",
        "seq": place,
        "language": "python",
        "offset_unit": "code-point",
        **columns,
    }


def good_events(requests: int = 40) -> pa.Table:
    rows = []
    for n in range(requests):
        request = {"request_id": f"request-{n}"}
        context = {"prefix": PREFIX, "suffix": SUFFIX, "caret": len(PREFIX)}
        rows.append(event(3 * n, "requested", **request, **context, document_length=len(PREFIX + SUFFIX)))
        rows.append(event(3 * n + 1, "shown", **request, proposal="x += 1"))
        rows.append(event(3 * n + 2, "accepted" if n % 3 == 0 else "rejected", **request))
    return pa.Table.from_pylist(rows, schema=EVENTS)


def good_lifecycles(requests: int = 40) -> pa.Table:
    rows = [
        {
            **dict.fromkeys(LIFECYCLES.names),
            "request_id": f"request-{n}",
            "document_id": f"document-{n % 4}",
            "session_id": "session",
            "user_id": f"user-{n % 4}",
            "language": "python",
            "model_version": "7",
            "requested_at": NOON,
            "received_at": NOON,
            "prefix": PREFIX,
            "suffix": SUFFIX,
            "proposal": "x += 1",
            "decision": "accepted" if n % 3 == 0 else "rejected",
            "committed": "x += 2" if n % 2 else "",
            "close_reason": "idle",
            "closed_at": NOON + timedelta(seconds=31),
            "evidence": "edits",
            "confidence": "exact",
            "kept_rate": 0.5,
            "policy": "default",
        }
        for n in range(requests)
    ]
    return pa.Table.from_pylist(rows, schema=LIFECYCLES)


def good_examples(lessons: int = 40) -> pa.Table:
    rows = [
        {
            **dict.fromkeys(EXAMPLES.names),
            "request_id": f"request-{n}",
            "user_id": f"user-{n % 4}",
            "document_id": f"document-{n % 8}",
            "language": "python",
            "requested_at": NOON,
            "prefix": PREFIX,
            "suffix": SUFFIX,
            "lesson": "x += 2" if n % 5 else "",
            "committed": "x += 2\nx += 3",
            "decision": "rejected",
            "kept_rate": 0.5,
            "cut": 6,
            "verdict": "fill" if n % 5 else "silence",
            "teacher": "syntax",
            "prompt_version": "1",
            "split": "evaluation" if n % 8 == 0 else "train",
            "weight": 1.0,
        }
        for n in range(lessons)
    ]
    return pa.Table.from_pylist(rows, schema=EXAMPLES)


GOOD: dict[Name, Callable[[int], pa.Table]] = {
    "events": good_events,
    "lifecycles": good_lifecycles,
    "examples": good_examples,
}


def check(name: Name, table: pa.Table, docs: Path | None = None, **limits: Any) -> Report:
    return validate(name, profile(name, table), Quality(**limits), day=DAY, docs=docs)


def put(table: pa.Table, column: str, value: Any, where: Any = None) -> pa.Table:
    """``table`` with another value in a column, in all rows or where a mask says."""
    place = table.schema.get_field_index(column)
    kind = table.schema.field(place).type
    values = value if isinstance(value, pa.Array | pa.ChunkedArray) else pa.scalar(value, kind)
    mask = pa.array(np.ones(table.num_rows, dtype=bool)) if where is None else where
    return table.set_column(place, table.schema.field(place), pc.if_else(mask, values, table[column]))


def swapped(table: pa.Table) -> pa.Table:
    # a suffix that is longer than the prefix, as in the upper half of a file
    text = put(put(table, "prefix", table["suffix"]), "suffix", table["prefix"])
    return put(text, "caret", len(SUFFIX) - 3, pc.is_valid(table["caret"]))


def swapped_windows(table: pa.Table) -> pa.Table:
    """Someone types in the middle of a long file; what stands before the caret is sent as the suffix."""
    n = np.arange(table.num_rows)
    before = pa.array([f"{PREFIX}typed = {place}" for place in n])
    asked = pc.is_valid(table["prefix"])
    text = put(put(table, "prefix", SUFFIX * 100, asked), "suffix", before, asked)
    return put(put(text, "caret", 9_000, asked), "document_length", 20_000, asked)


def later(table: pa.Table, column: str, **ahead: float) -> pa.Table:
    return put(table, column, pc.add(table[column], pa.scalar(timedelta(**ahead))))


def only(table: pa.Table, column: str, value: str) -> pa.Table:
    return table.filter(pc.equal(table[column], value))


def without(table: pa.Table, column: str, value: str) -> pa.Table:
    return table.filter(pc.not_equal(table[column], value))


def some(table: pa.Table, share: float) -> pa.Array:
    return pa.array(np.arange(table.num_rows) < share * table.num_rows)


BAD: list[tuple[str, Name, Callable[[pa.Table], pa.Table], str, str | None]] = [
    # what is wrong, table, how, severity of the failure, its column
    ("an empty day", "events", lambda t: t.slice(0, 0), "critical", None),
    ("events without a request", "events", lambda t: without(t, "kind", "requested"), "critical", "request"),
    ("an unknown kind", "events", lambda t: put(t, "kind", "accept", some(t, 0.01)), "critical", "kind"),
    ("an unknown offset unit", "events", lambda t: put(t, "offset_unit", SECRET), "critical", "offset_unit"),
    ("prefix and suffix swapped", "events", swapped, "critical", "prefix_overrun"),
    ("prefix and suffix swapped in windows", "events", swapped_windows, "critical", "swapped"),
    ("text cut at 100", "events", lambda t: put(t, "prefix", PREFIX[-100:], pc.is_valid(t["prefix"])), "critical",
     "cut_prefix"),
    ("a caret in the wrong unit", "events", lambda t: put(t, "document_length", 3), "critical", "suffix_overrun"),
    ("a negative caret", "events", lambda t: put(t, "caret", -1, pc.is_valid(t["caret"])), "critical",
     "negative_position"),
    ("timestamps in the future", "events", lambda t: later(t, "occurred_at", days=3), "critical", "lag_seconds"),
    ("answers without a request", "events", lambda t: put(t, "request_id", None), "critical", "without_request"),
    ("every event twice", "events", lambda t: pa.concat_tables([t, t]), "critical", "repeated"),
    ("one event twice", "events", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "warning", "repeated"),
    ("events a day late", "events", lambda t: later(t, "received_at", days=1), "warning", "lag_seconds"),
    ("nothing shown", "events", lambda t: only(t, "kind", "requested"), "warning", "shown"),
    ("one user", "events", lambda t: put(t, "user_id", "one"), "warning", "of_busiest_user"),
    ("no request", "lifecycles", lambda t: t.slice(0, 0), "critical", None),
    ("another day's requests", "lifecycles", lambda t: later(t, "received_at", days=1), "critical", "received_on"),
    ("an unknown decision", "lifecycles", lambda t: put(t, "decision", "maybe", some(t, 0.1)), "critical", "decision"),
    ("an unknown close reason", "lifecycles", lambda t: put(t, "close_reason", "x"), "critical", "close_reason"),
    ("an unknown evidence", "lifecycles", lambda t: put(t, "evidence", "x"), "critical", "evidence"),
    ("an unknown confidence", "lifecycles", lambda t: put(t, "confidence", "x"), "critical", "confidence"),
    ("an unknown policy", "lifecycles", lambda t: put(t, "policy", "x"), "critical", "policy"),
    ("a request twice", "lifecycles", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "critical", "repeated"),
    ("an impossible kept rate", "lifecycles", lambda t: put(t, "kept_rate", 1.5), "critical", "kept_rate"),
    ("closed before it opened", "lifecycles", lambda t: later(t, "closed_at", hours=-1), "critical", "open_seconds"),
    ("no commit known", "lifecycles", lambda t: put(t, "committed", None), "critical", "without_commit"),
    ("no context", "lifecycles", lambda t: put(put(t, "prefix", ""), "suffix", ""), "critical", "without_context"),
    ("no more accepted", "lifecycles", lambda t: put(t, "decision", "ignored"), "warning", "accepted"),
    ("none of many accepted", "events", lambda t: without(good_events(100), "kind", "accepted"), "warning",
     "accepted_of_many"),
    ("everything accepted", "lifecycles", lambda t: put(t, "decision", "accepted"), "warning", "accepted"),
    ("nothing shown", "lifecycles", lambda t: put(t, "decision", "not_shown"), "warning", "shown"),
    ("lost events", "lifecycles", lambda t: put(t, "close_reason", "events_lost"), "warning", "events_lost"),
    ("all void", "lifecycles", lambda t: put(t, "committed", ""), "warning", "void"),
    ("no model version", "lifecycles", lambda t: put(t, "model_version", None), "warning", "without_model"),
    ("text cut at 100", "lifecycles", lambda t: put(t, "prefix", PREFIX[:100]), "warning", "prefix_length"),
    ("a proposal without end", "lifecycles", lambda t: put(t, "proposal", "x" * 5000), "warning", "proposal_length"),
    ("no language", "lifecycles", lambda t: put(t, "language", None), "info", "language"),
    ("no lesson", "examples", lambda t: t.slice(0, 0), "warning", None),
    ("a lesson that is no prefix", "examples", lambda t: put(t, "lesson", "x += 9", some(t, 0.03)), "critical",
     "lesson_not_of_commit"),
    ("a lesson longer than its cut", "examples", lambda t: put(t, "cut", 3), "critical", "cut_not_of_lesson"),
    ("a rejection", "examples", lambda t: put(t, "verdict", "reject_noise", some(t, 0.1)), "critical", "verdict"),
    ("an unknown split", "examples", lambda t: put(t, "split", "test"), "critical", "split"),
    ("documents in both splits", "examples", lambda t: put(t, "document_id", "one"), "critical", "in_both_splits"),
    ("a lesson twice", "examples", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "critical", "repeated"),
    ("a probability above 1", "examples", lambda t: put(t, "cut_probability", 1.1), "critical", "cut_probability"),
    ("a negative probability", "examples", lambda t: put(t, "verdict_probability", -0.1), "critical",
     "verdict_probability"),
    ("an impossible kept rate", "examples", lambda t: put(t, "kept_rate", 1.5), "critical", "kept_rate"),
    ("an unknown decision", "examples", lambda t: put(t, "decision", "maybe"), "critical", "decision"),
    ("a negative weight", "examples", lambda t: put(t, "weight", -1.0), "critical", "weight"),
    ("only silence", "examples", lambda t: put(t, "lesson", ""), "warning", "silence"),
    ("all held out", "examples", lambda t: put(t, "split", "evaluation"), "warning", "evaluation"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "spoil", "severity", "column"), [case[1:] for case in BAD], ids=[f"{case[1]}: {case[0]}" for case in BAD]
)
def test_a_bad_day_gets_its_verdict(
    name: Name, spoil: Callable[[pa.Table], pa.Table], severity: str, column: str | None
) -> None:
    report = check(name, spoil(GOOD[name](40)))
    assert (severity, column) in {(failure.severity, failure.column) for failure in report.failures}
    assert report.passed == (severity != "critical")
    assert SECRET not in str(report)


def test_every_critical_expectation_on_a_column_has_a_bad_day() -> None:
    tried = {(name, column) for _, name, _, severity, column in BAD if severity == "critical"}
    held = {
        (name, expectation.column)
        for name in NAMES
        for expectation in suite(name, Quality(), DAY)
        if expectation.severity == "critical" and hasattr(expectation, "column")
    }
    assert held - tried == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_good_day_passes_without_a_word(name: Name) -> None:
    report = check(name, GOOD[name](40))
    assert report.failures == ()
    report.raise_if_critical()


def test_a_clock_that_is_wrong_here_and_there_does_not_stop_the_day() -> None:
    events = good_events()
    ahead = put(events, "occurred_at", pc.add(events["received_at"], pa.scalar(timedelta(days=2))), some(events, 0.1))
    assert check("events", ahead).passed
    assert not check("events", ahead, max_skewed_share=0.05).passed


def test_the_error_of_a_stopped_day_says_value_limit_and_remedy(tmp_path: Path) -> None:
    report = check("events", good_events().slice(0, 0), tmp_path)
    with pytest.raises(QualityError) as raised:
        report.raise_if_critical()
    head, *lines, where = str(raised.value).splitlines()
    assert DAY in head
    assert "nothing is published" in head
    assert lines[0] == ("- events of the day: 0; wanted at least 1; check that clients report, and the day asked for")
    assert str(tmp_path / DAY / "index.html") in where


def test_a_limit_from_the_settings_is_the_one_that_is_said() -> None:
    (failure,) = check("events", good_events(), min_events=10**9).critical
    assert (failure.observed, failure.limit) == ("120", "at least 1,000,000,000")


def test_a_share_of_nothing_is_not_judged_and_said_so() -> None:
    report = check("lifecycles", put(good_lifecycles(), "decision", "not_shown"))
    assert "accepted" not in {finding.column for finding in report.findings}
    assert "shown proposals that were accepted" in report.unjudged


def test_a_profile_of_another_version_stops_the_day() -> None:
    report = validate(
        "events", profile("events", good_events()).drop_columns(["lag_seconds"]), Quality(), day=DAY, docs=None
    )
    assert {failure.observed for failure in report.critical} == {
        "lag_seconds missing",
        "cannot be evaluated (a column is missing or of another type)",
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rows_in_any_order_give_the_same_report(name: Name) -> None:
    table = profile(name, GOOD[name](40))
    turned = table.take(pa.array(np.random.default_rng(0).permutation(table.num_rows)))
    shards = pa.concat_tables([turned.slice(11), turned.slice(0, 11)])
    first, second = (validate(name, rows, Quality(), day=DAY, docs=None) for rows in (table, shards))
    assert first == second


def test_pages_are_replaced_by_a_rerun_and_hold_no_text(tmp_path: Path) -> None:
    for name in NAMES:
        report = check(name, GOOD[name](40), tmp_path)
    folder = tmp_path / DAY
    assert report.docs_path == folder / "index.html"
    assert "Passed" in report.docs_path.read_text()
    before = {file.relative_to(folder) for file in folder.rglob("*")}
    for name in NAMES:
        check(name, GOOD[name](40), tmp_path)
    assert {file.relative_to(folder) for file in folder.rglob("*")} == before
    pages = [file for file in folder.rglob("*") if file.suffix in {".html", ".json"}]
    assert len(pages) >= 3 * 3 + 1
    assert all(SECRET not in page.read_text() and "user-1" not in page.read_text() for page in pages)
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 5 * 2**20


def test_a_rerun_removes_what_was_made_from_the_replaced_table(tmp_path: Path) -> None:
    for name in NAMES:
        check(name, GOOD[name](40), tmp_path)
    check("lifecycles", put(good_lifecycles(), "kept_rate", 1.5), tmp_path)
    page = (tmp_path / DAY / "index.html").read_text()
    assert "Stopped" in page
    assert 'id="lifecycles"' in page
    assert 'id="examples"' not in page
    assert json.loads((tmp_path / DAY / "lifecycles" / "report.json").read_text())["passed"] is False


def test_the_pages_of_a_day_need_no_network(tmp_path: Path) -> None:
    check("events", good_events(), tmp_path)
    day = (tmp_path / DAY / "index.html").read_text()
    assert "http://" not in day
    assert "https://" not in day
    loads = re.compile(r"<script|@import|<(?:link|img|iframe|source)[^>]*(?:href|src)=[^>]*//", re.IGNORECASE)
    for page in (tmp_path / DAY).rglob("*.html"):
        assert not loads.search(page.read_text())
        assert "default-src 'none'" in page.read_text()


def test_the_same_measures_from_any_shards() -> None:
    table = profile("lifecycles", good_lifecycles())
    shards = pa.concat_tables([table.slice(11), table.slice(0, 11)])
    first, second = (validate("lifecycles", rows, Quality(), day=DAY, docs=None) for rows in (table, shards))
    assert first.measures.equals(second.measures)
    counted = {(row["measure"], row["bucket"]): (row["count"], row["total"]) for row in first.measures.to_pylist()}
    assert counted["rows", ""] == (40, 1)
    assert counted["users", ""] == (4, 1)
    assert counted["accepted", ""] == (14, 40)
    assert counted["language", "python"] == (40, 40)
    assert counted["prefix_length", "500–999"] == (40, 40)
    assert counted["committed_length", "0"] == counted["committed_length", "1–7"] == (20, 40)


def test_pages_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="ECHO_HOME"):
        check("events", good_events(), tmp_path / "file")


def test_a_table_or_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="2026-11-02"):
        validate("events", PROFILES["events"].empty_table(), Quality(), day="../../etc", docs=None)
    with pytest.raises(InputError, match="lifecycles"):
        validate("event", PROFILES["events"].empty_table(), Quality(), day=DAY, docs=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("file", ["vscode-even.edits", "vscode-even.snapshots", "sveltecomponent.edits"])
def test_a_real_day_of_one_user_passes_with_warnings(file: str) -> None:
    path = REAL / f"{file}.events.parquet"
    if not path.is_file():
        pytest.skip("the real sessions are not here")
    events = pq.read_table(path)
    report = validate("events", profile("events", events), Quality(), day="2026-11-01", docs=None)
    assert report.passed, report.critical
    assert "of_busiest_user" in {warning.column for warning in report.warnings}

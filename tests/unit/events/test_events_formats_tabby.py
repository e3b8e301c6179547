"""Tabby's events and what answers them."""

from __future__ import annotations

from pathlib import Path

from foreign_logs import START, events, fixture, kinds, lines, written

from echo_ops.events.formats import tabby
from echo_ops.events.formats.identity import UNKNOWN_USER


def test_tabby_columns_and_answers() -> None:
    rows, notes = fixture("tabby")
    first = rows[0]
    assert first["request_id"] == "9d2e0000-0000-4000-8000-000000000001"
    assert (first["repository"], first["path"]) == ("git.example.com/acme/shop", "src/cart.py")
    assert first["occurred_at"] == first["received_at"] == START * 1000
    outcomes = {row["request_id"][-1]: row["kind"] for row in rows}
    assert outcomes == {"1": "accepted", "2": "rejected", "3": "partially_accepted", "4": "requested"}
    assert [row["proposal"] for row in rows if row["kind"] == "shown"][1] == "pass"  # the choice that was viewed
    assert notes.skipped.total() == 3
    assert notes.losses[tabby.MODEL] == 4


def test_tabby_without_a_file_takes_each_request_for_a_document(tmp_path: Path) -> None:
    first, second = (row for row in lines("tabby.jsonl") if "completion" in row["event"] and row["ts"] < START + 10_000)
    for row in (first, second):
        del row["event"]["completion"]["segments"]["filepath"], row["user"]
    rows, notes = events("tabby", written(tmp_path, [first, second]))
    assert len({row["document_id"] for row in rows}) == 2
    assert {row["user_id"] for row in rows} == {UNKNOWN_USER}
    assert notes.losses[tabby.FILE] == notes.losses[tabby.USER] == 2


def test_an_answer_finds_its_completion_in_the_file_of_the_day_before(tmp_path: Path) -> None:
    rows = lines("tabby.jsonl")
    before, after = written(tmp_path, rows[:1], "1.jsonl"), written(tmp_path, rows[1:3], "2.jsonl")
    assert kinds(events("tabby", after, before)[0]) == ["requested", "shown", "accepted"]


def test_an_answer_after_more_than_a_day_is_skipped(tmp_path: Path) -> None:
    completion, view = lines("tabby.jsonl")[:2]
    rows, notes = events("tabby", written(tmp_path, [completion, {**view, "ts": START + 86_400_001}]))
    assert kinds(rows) == ["requested"]
    assert notes.skipped.total() == 1

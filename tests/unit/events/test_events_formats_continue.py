"""Continue's rows, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from foreign_logs import FILES, FIXTURES, START, events, fixture, kinds, lines, written

from echo_ops.events.formats import continue_dev
from echo_ops.events.formats.identity import UNKNOWN_USER, Pseudonyms


def test_continue_rows_come_in_the_order_of_their_requests_whatever_their_order_in_the_log() -> None:
    rows, notes = events("continue", FIXTURES / FILES["continue"][0])
    asked = [row for row in rows if row["kind"] == "requested"]
    assert [row["request_id"][-1] for row in asked] == ["1", "2", "3", "4", "5"]
    assert asked[0]["occurred_at"] == (START - 420) * 1000  # `time` before it was shown
    assert kinds(rows[:3]) == ["requested", "shown", "accepted"]
    assert [row["kind"] for row in rows if row["request_id"][-1] == "2"] == ["requested", "shown", "rejected"]
    assert [row["kind"] for row in rows if row["request_id"][-1] == "4"] == ["requested", "shown"]
    assert +notes.skipped == {"tokensGenerated: no completion": 1}
    assert notes.losses[continue_dev.CHANGES] == 5
    assert notes.losses[continue_dev.UNANSWERED] == 1


def test_continue_columns() -> None:
    first, shown, _ = fixture("continue")[0][:3]
    assert first["prefix"].startswith('"""Prices of a cart')  # without the snippets before it
    assert first.get("caret") is None
    assert (first["path"], first["repository"], first["language"]) == ("src/cart.py", "shop", "python")
    assert first["model_version"] == "qwen2.5-coder:1.5b"
    assert shown["proposal"] == "return net(lines) * TAX[country]"


def test_continue_without_a_root_gives_the_files_name_alone() -> None:
    last = [row for row in fixture("continue")[0] if row["request_id"][-2:] == "05"]
    assert {row["path"] for row in last} == {"notes.txt"}


@pytest.mark.parametrize(
    ("prefix", "own"),
    [
        ("# Path: a.py\n# x = 1\n# src/cart.py\nimport os\n", "import os\n"),
        ("\n# src/cart.py\nimport os\n", "import os\n"),
        ("# src/cart.py\n", ""),
        ("// Path: a.ts\n// let\n// src/cart.py\nx", "x"),
        ("import os\n# src/cart.py\n", "import os\n# src/cart.py\n"),
        ("# a comment of the file\nimport os\n", "# a comment of the file\nimport os\n"),
        ("+++++ a.py\nx = 1\n\n+++++ src/cart.py\nimport os\n", "import os\n"),
        ("+++++ a.py\nx = 1\n", "+++++ a.py\nx = 1\n"),
        ("", ""),
    ],
)
def test_snippets_before_a_prefix_are_taken_off(prefix: str, own: str) -> None:
    assert continue_dev.without_snippets(prefix, "file:///home/alice/shop/src/cart.py") == own


def test_a_next_edit_at_the_cursor_is_a_proposal_and_another_is_none() -> None:
    rows, notes = events("continue", FIXTURES / "continue-next-edit.jsonl")
    first, other = (row for row in rows if row["kind"] == "requested")
    assert (first["prefix"], first["suffix"]) == ("a = 1\nb = ", "\nc = 3\n")
    assert (first["caret"], first["document_length"]) == (10, 17)
    assert first["path"] == "src/vat.py"
    assert [row.get("proposal") for row in rows if row["kind"] == "shown"] == ["2", None]
    assert notes.losses[continue_dev.ELSEWHERE] == 1
    assert other["document_id"] == first["document_id"]


@pytest.mark.parametrize(
    ("original", "completion", "proposal"),
    [
        ("b = ", "b = 2", "2"),  # some of the lines between the marks
        ("b = \nc", "b = 2\nc", "2"),
        ("b = \nc", "b = 2\nd", None),
        ("a\nb = ", "a\nb = 2", "2"),
        ("c", "b", None),  # prefetched for other lines
        ("", "x", None),
        ("b =", "b =2", None),
    ],
)
def test_a_next_edit_replaces_its_original_lines(
    tmp_path: Path, original: str, completion: str, proposal: str | None
) -> None:
    row = lines("continue-next-edit.jsonl")[0]
    row["userExcerpts"] = "<|code_to_edit|>\na\nb = <|cursor|>\nc\n<|/code_to_edit|>"
    row |= {"originalEditableRange": original, "completion": completion}
    rows = events("continue", written(tmp_path, [row]))[0]
    assert (rows[0]["prefix"], rows[0]["suffix"]) == ("a\nb = ", "\nc")
    assert rows[1].get("proposal") == proposal


def test_a_window_of_a_next_edit_has_no_offsets(tmp_path: Path) -> None:
    row = lines("continue-next-edit.jsonl")[0]
    row["userExcerpts"] = "a\n<|editable_region_start|>\nb = <|user_cursor_is_here|>\n<|editable_region_end|>\nc"
    first = events("continue", written(tmp_path, [row]))[0][0]
    assert (first["prefix"], first["suffix"], first.get("caret")) == ("a\nb = ", "\nc", None)


def test_continue_rows_posted_to_a_server_are_unwrapped(tmp_path: Path) -> None:
    row = lines("continue-autocomplete.jsonl")[0]
    del row["eventName"], row["schema"]
    posted = {"name": "autocomplete", "schema": "0.2.0", "level": "all", "profileId": "p", "data": row}
    bare, notes = events("continue", written(tmp_path, [row]))
    assert [one["prefix"] for one in events("continue", written(tmp_path, [posted]))[0][:1]] == [bare[0]["prefix"]]
    assert notes.losses[continue_dev.NO_VERSION] == 1


def test_continue_without_code_is_skipped(tmp_path: Path) -> None:
    row = lines("continue-autocomplete.jsonl")[0]
    del row["prefix"]
    rows, notes = events("continue", written(tmp_path, [row]))
    assert rows == []
    assert +notes.skipped == {"logged at level noCode: no text": 1}


def test_created_at_dates_the_answer(tmp_path: Path) -> None:
    row = {**lines("continue-autocomplete.jsonl")[0], "createdAt": "2025-11-21T12:00:05Z"}
    rows = events("continue", written(tmp_path, [row]))[0]
    assert rows[2]["occurred_at"] == (START + 5000) * 1000


def test_an_aborted_next_edit_was_not_shown(tmp_path: Path) -> None:
    row = {**lines("continue-next-edit.jsonl")[0], "aborted": True}
    assert kinds(events("continue", written(tmp_path, [row]))[0]) == ["requested"]


def test_a_session_lasts_as_long_as_its_user_goes_on(tmp_path: Path) -> None:
    row = lines("continue-autocomplete.jsonl")[0]
    log = [{**row, "timestamp": START + 3_000_000 * step, "completionId": str(step)} for step in range(4)]
    assert len({row["session_id"] for row in events("continue", written(tmp_path, log))[0]}) == 1


def test_a_user_is_known_by_the_account_else_by_the_machine(tmp_path: Path) -> None:
    row = lines("continue-autocomplete.jsonl")[0]
    log = [row, {**row, "userId": ""}, {**row, "userId": "", "uniqueId": ""}]
    users = {row["user_id"] for row in events("continue", written(tmp_path, log))[0]}
    names = Pseudonyms()
    assert users == {names.user("alice@example.com"), names.user("machine-1"), UNKNOWN_USER}


def test_a_pause_of_an_hour_begins_a_session_and_files_of_one_session_share_it(tmp_path: Path) -> None:
    row = lines("continue-autocomplete.jsonl")[0]
    soon = {**row, "timestamp": START + 3_000_000, "completionId": "b"}
    late = {**row, "timestamp": START + 7_000_000, "completionId": "c"}
    one, two = written(tmp_path, [late, row], "one.jsonl"), written(tmp_path, [soon], "two.jsonl")
    rows = events("continue", one, two)[0]
    assert [row["seq"] for row in rows] == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert len({row["session_id"] for row in rows}) == len({row["document_id"] for row in rows}) == 2
    assert events("continue", two, one)[0] == rows

"""Importers, one after the other: what a source's record becomes, what is skipped, lost and refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from echo_ops.errors import InputError
from echo_ops.events.formats import FORMATS, continue_dev, copilot_recording, fetches, port, read, tabby, zed
from echo_ops.events.formats.identity import UNKNOWN_USER, Pseudonyms
from echo_ops.events.formats.port import Loss, Notes, Source

FIXTURES = Path(__file__).parent / "fixtures"
FILES = {
    "continue": ("continue-autocomplete.jsonl", "continue-next-edit.jsonl"),
    "tabby": ("tabby.jsonl",),
    "zed": ("zed.jsonl", "zed.md"),
    "copilot-recording": ("copilot.workspaceRecording.jsonl", "copilot.recording.w.json"),
}
START = 1_763_726_400_000  # milliseconds; the first time in the fixtures


def events(name: str, *paths: Path, key: bytes = b"") -> tuple[list[dict[str, Any]], Notes]:
    notes = Notes()
    return list(read(name, [Source(path) for path in paths], Pseudonyms(key), notes)), notes


def fixture(name: str, key: bytes = b"") -> tuple[list[dict[str, Any]], Notes]:
    return events(name, *(FIXTURES / file for file in FILES[name]), key=key)


def written(folder: Path, records: Sequence[object], name: str = "log.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def lines(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIXTURES / file).read_text().splitlines()]


def kinds(rows: list[dict[str, Any]]) -> list[str]:
    return [row["kind"] for row in rows]


# --- every format


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_files_give_the_same_events(name: str) -> None:
    assert fixture(name)[0] == fixture(name)[0]


@pytest.mark.parametrize("name", FORMATS)
def test_seq_counts_each_document_from_zero_and_ids_differ(name: str) -> None:
    rows = fixture(name)[0]
    assert len({row["event_id"] for row in rows}) == len(rows)
    counts: dict[str, int] = {}
    for row in rows:
        assert row["seq"] == counts.get(row["document_id"], 0)
        counts[row["document_id"]] = row["seq"] + 1
        UUID(row["event_id"])
        UUID(row.get("request_id") or row["event_id"])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("secret", ["alice", "bob", "carol", "token", "device-7", "machine-1", "/home"])
def test_no_name_leaves_the_source(name: str, secret: str) -> None:
    rows = [
        {field: value for field, value in row.items() if field not in ("prefix", "suffix")} for row in fixture(name)[0]
    ]
    assert secret not in json.dumps(rows)


@pytest.mark.parametrize("name", ["continue", "tabby", "copilot-recording"])
def test_a_key_changes_pseudonyms_and_the_ids_that_rest_on_them(name: str) -> None:
    plain, keyed = fixture(name)[0], fixture(name, key=b"k" * 16)[0]
    assert {row["user_id"] for row in plain}.isdisjoint(row["user_id"] for row in keyed)
    assert [row["seq"] for row in plain] == [row["seq"] for row in keyed]


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_read_add_up_to_the_files(name: str) -> None:
    paths, seen = [FIXTURES / file for file in FILES[name]], 0

    def told(size: int) -> None:
        nonlocal seen
        seen += size

    list(read(name, [Source(path, told) for path in paths], Pseudonyms(), Notes()))
    assert seen == sum(path.stat().st_size for path in paths)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"hello\n", "no JSON"),
        (b"[1]\n", "wanted is an object"),
        (b"\xff\xfe\n", "byte 1 is no UTF-8"),
        (b"{}\n", "wanted"),
        (b'{"a":' * 100_000, "JSON"),
        (b"1" * 5000, "JSON"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, name: str, text: bytes, says: str) -> None:
    file = tmp_path / "secret.jsonl"
    file.write_bytes(text)
    with pytest.raises(InputError, match=says) as refused:
        events(name, file)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize(
    ("name", "record", "says"),
    [
        (
            "continue",
            {"schema": "0.3.0", "eventName": "autocomplete"},
            r"line 2: schema '0.3.0'.*known are 0.2.0; write",
        ),
        ("continue", {"schema": "0.2.0", "eventName": "zap"}, r"line 2: eventName 'zap'.*known are autocomplete, next"),
        ("continue", {"schema": 2, "eventName": "zap"}, r"line 2: the field schema is a number, wanted is text"),
        ("tabby", {"ts": START, "event": {"like": {}}}, r"line 2, event: kind 'like'.*known are completion, view"),
        ("tabby", {"ts": "noon", "event": {"view": {}}}, r"line 2: the field ts is no time"),
        ("copilot-recording", {"kind": "zoom", "time": 1}, r"line 2: kind 'zoom'.*known are header, meta.*update"),
        ("copilot-recording", {"kind": "changed", "id": 9, "time": 1}, r"line 2: a changed of document 9"),
        ("zed", {"cursor_path": "a.rs", "cursor_position": "fn"}, r"line 2: cursor_position holds no cursor"),
    ],
)
def test_unknown_versions_and_kinds_are_refused_with_line_value_and_remedy(
    tmp_path: Path, name: str, record: dict[str, Any], says: str
) -> None:
    good = lines(FILES[name][0])[0]
    with pytest.raises(InputError, match=says):
        events(name, written(tmp_path, [good, record]))


@pytest.mark.parametrize("name", FORMATS)
def test_a_line_without_an_end_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(port, "LONGEST_LINE", 2**20)
    file = tmp_path / "log.jsonl"
    file.write_bytes(b'{"kind": "' + b"x" * 2**20)
    with pytest.raises(InputError, match=r"log\.jsonl, line 1: longer than 1 MiB"):
        events(name, file)


def test_a_byte_order_mark_and_blank_lines_are_no_records(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    text = (FIXTURES / "tabby.jsonl").read_bytes().replace(b"\n", b"\r\n\r\n")
    file.write_bytes(b"\xef\xbb\xbf" + text)
    assert events("tabby", file)[0] == fixture("tabby")[0]


def test_half_a_character_becomes_a_replacement_character(tmp_path: Path) -> None:
    row = {**lines("continue-autocomplete.jsonl")[0], "prefix": "a\ud83d", "suffix": "🚪"}
    first = events("continue", written(tmp_path, [row]))[0][0]
    assert (first["prefix"], first["suffix"]) == ("a\ufffd", "🚪")


# --- Continue


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


# --- Tabby


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


# --- Zed


def test_zed_offsets_are_bytes_of_the_file() -> None:
    rows, notes = events("zed", FIXTURES / "zed.jsonl")
    settled = [row for row in rows if row.get("request_id", "").endswith("01")] + [
        row for row in rows if row["kind"] == "changed" and row["document_id"] == rows[0]["document_id"]
    ]
    asked, changed = settled
    assert asked["offset_unit"] == "utf-8"
    assert asked["caret"] == len(asked["prefix"].encode()) > len(asked["prefix"])
    assert asked["document_length"] == asked["caret"] + len(asked["suffix"].encode())
    assert json.loads(changed["edits"]) == [[asked["caret"], asked["caret"], "width * self.depth"]]
    assert (asked["proposal"], asked["replace_start"]) == ("width", asked["caret"])
    assert kinds(rows).count("changed") == 2
    assert notes.losses[zed.UNKNOWN] == 1


def test_zed_excerpts_claim_no_whole_text() -> None:
    excerpt = next(row for row in fixture("zed")[0] if row.get("request_id", "").endswith("03"))
    assert excerpt["caret"] == len(excerpt["prefix"].encode()) + 1
    assert excerpt["caret"] + len(excerpt["suffix"].encode()) == excerpt["document_length"] - 1


def test_a_zed_excerpt_from_the_first_row_has_its_whole_prefix() -> None:
    excerpt = next(row for row in fixture("zed")[0] if row.get("request_id", "").endswith("02"))
    assert excerpt["caret"] == len(excerpt["prefix"].encode())
    assert excerpt["caret"] + len(excerpt["suffix"].encode()) == excerpt["document_length"] - 1


def test_the_commit_of_a_zed_example_is_a_second_later() -> None:
    rows = events("zed", FIXTURES / "zed.jsonl")[0]
    at = {row["kind"]: row["occurred_at"] for row in rows if row["document_id"] == rows[0]["document_id"]}
    assert at["changed"] - at["requested"] == 1_000_000
    assert at["requested"] == (START + 250) * 1000


def test_zed_reasons_of_rejection() -> None:
    rows = fixture("zed")[0]
    outcome = {row["request_id"][-2:]: row["kind"] for row in rows if row["kind"] in ("rejected", "ignored")}
    assert outcome == {"02": "rejected", "03": "ignored"}


@pytest.mark.parametrize(
    ("position", "prefix", "suffix"),
    [
        ("a<|user_cursor|>b\n", "a", "b\n"),
        ("a[CURSOR_POSITION]b", "a", "b"),
        ("  let x\n  // ^[CURSOR_POSITION]\nend\n", "  let", " x\nend"),
        ("let x\n// <[CURSOR_POSITION]\nend", "", "let x\nend"),
        (" lé\n//^[CURSOR_POSITION]", " l", "é"),
        ("x\n//   ^[CURSOR_POSITION]", "x", ""),
    ],
)
def test_zed_cursor_markers(tmp_path: Path, position: str, prefix: str, suffix: str) -> None:
    example = {"cursor_path": "a.rs", "cursor_position": position, "edit_history": "", "expected_patches": []}
    row = events("zed", written(tmp_path, [example]))[0][0]
    assert (row["prefix"], row["suffix"]) == (prefix, suffix)


def test_a_selection_is_no_cursor(tmp_path: Path) -> None:
    example = {"cursor_path": "a.rs", "cursor_position": "<|selection_start|>a<|user_cursor|>", "expected_patches": []}
    assert events("zed", written(tmp_path, [example]))[1].skipped.total() == 1


def test_a_rated_example_has_the_models_patch_and_not_the_users(tmp_path: Path) -> None:
    example = {**lines("zed.jsonl")[0], "tags": ["rated:positive"]}
    rows, notes = events("zed", written(tmp_path, [example]))
    assert "changed" not in kinds(rows)
    assert notes.losses[zed.RATED] == 1


def test_a_patch_of_another_file_or_of_other_text_commits_nothing(tmp_path: Path) -> None:
    example = lines("zed.jsonl")[0]
    wrong = {**example, "expected_patches": [example["expected_patches"][0].replace("fn area", "fn size")]}
    rows, notes = events("zed", written(tmp_path, [wrong]))
    assert "changed" not in kinds(rows)
    assert notes.losses[zed.MISPLACED] == 1


def test_markdown_and_json_lines_of_one_example_give_one_lesson(tmp_path: Path) -> None:
    file = FIXTURES / "zed.md"
    row = events("zed", file)[0]
    assert [one["path"] for one in row] == ["src/room.rs", "src/room.rs"]
    assert row[0]["repository"] == "github.com/example/house"
    assert row[0]["prefix"].endswith("    doors")
    assert row[0]["occurred_at"] == 0
    assert json.loads(row[1]["edits"])[0][2] == ": Vec<Door>,"


# --- VS Code


def test_recorded_edits_are_kept_in_utf16_units() -> None:
    rows = events("copilot-recording", FIXTURES / "copilot.workspaceRecording.jsonl")[0]
    opened = rows[0]
    assert (opened["kind"], opened["offset_unit"]) == ("opened", "utf-16")
    assert opened["document_length"] == len(opened["suffix"]) + 1  # one character outside the BMP
    typed = [row for row in rows if row.get("cause") == "typing"]
    assert [json.loads(row["edits"])[0][2] for row in typed] == ["d", "o"]
    assert [row["version"] for row in typed] == [2, 3]
    assert kinds(rows).count("opened") == 2  # opened again with what was stored


def test_a_request_waits_for_the_version_that_it_was_made_for() -> None:
    rows = events("copilot-recording", FIXTURES / "copilot.workspaceRecording.jsonl")[0]
    at = kinds(rows).index("requested")
    assert rows[at]["version"] == rows[at - 1]["version"] == 3
    assert rows[at]["prefix"].endswith("\tdo")
    assert rows[at]["caret"] == len(rows[at]["prefix"]) + 1


def test_what_was_shown_and_accepted() -> None:
    rows, notes = events("copilot-recording", FIXTURES / "copilot.workspaceRecording.jsonl")
    shown = next(row for row in rows if row["kind"] == "shown")
    asked = next(row for row in rows if row["kind"] == "requested")
    assert (shown["replace_start"], shown["replace_end"]) == (asked["caret"] - 2, asked["caret"])
    accepted = [row for row in rows if row["kind"] == "accepted"]
    assert [row["request_id"] for row in accepted] == [asked["request_id"]]  # told twice, once is enough
    assert notes.losses[fetches.NOT_SHOWN] == 1
    assert notes.losses[copilot_recording.VISIBLE] == 3
    assert +notes.skipped == {copilot_recording.EARLY: 1}


def test_the_next_edit_of_a_recording_is_a_request_and_its_commit() -> None:
    rows, _ = events("copilot-recording", FIXTURES / "copilot.recording.w.json")
    assert kinds(rows) == ["opened", "changed", "requested", "changed"]
    assert rows[2]["prefix"] == "let a = 1"
    assert rows[3]["occurred_at"] - rows[2]["occurred_at"] == 1_000_000


def recording(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    start: list[dict[str, Any]] = [
        {
            "kind": "header",
            "documentType": "workspaceRecording@1.0",
            "repoRootUri": "file:///r",
            "time": 1,
            "uuid": "u",
        },
        {"kind": "documentEncountered", "id": 0, "time": 1, "relativePath": "a.py"},
        {"kind": "setContent", "id": 0, "time": 1, "content": "abc", "v": 1},
    ]
    return [*start, *entries]


def fetched(number: int, version: int, kind: str = "start", **more: Any) -> dict[str, Any]:
    data = {"sourceId": "InlineCompletions.fetch", "kind": kind, "requestId": number, **more}
    if kind == "end":
        return {"kind": "event", "time": 9, "data": data}
    return {"kind": "documentEvent", "id": 0, "time": 8, "data": {**data, "v": version}}


def test_a_change_outside_its_document_leaves_a_hole_until_the_text_is_set(tmp_path: Path) -> None:
    outside = {"kind": "changed", "id": 0, "time": 2, "v": 2, "edit": [[9, 9, "x"]]}
    again = {"kind": "setContent", "id": 0, "time": 4, "content": "d", "v": 3}
    log = recording(outside, fetched(1, 2), again, fetched(2, 3))
    rows, notes = events("copilot-recording", written(tmp_path, log))
    assert [(row["kind"], row["seq"]) for row in rows] == [("opened", 0), ("opened", 2), ("requested", 3)]
    assert +notes.skipped == {copilot_recording.LOST: 1, fetches.BLIND: 1}


def test_an_accept_joins_the_proposal_that_holds_its_text(tmp_path: Path) -> None:
    item = {"range": "[1,4 -> 1,4]", "isInlineEdit": False}
    log = recording(
        fetched(1, 1),
        fetched(1, 1, "end", result=[{**item, "text": "def"}]),
        fetched(2, 1),
        fetched(2, 1, "end", result=[{**item, "text": "xyz"}]),
        {"kind": "changed", "id": 0, "time": 10, "v": 2, "edit": [[3, 3, "def"]]},
        {"kind": "documentEvent", "id": 0, "time": 11,
         "data": {"sourceId": "TextModel.setChangeReason", "source": "inlineCompletionPartialAccept", "v": 2}},
    )  # fmt: skip
    rows = events("copilot-recording", written(tmp_path, log))[0]
    assert rows[-1]["kind"] == "partially_accepted"
    assert rows[-1]["request_id"] == rows[1]["request_id"] != rows[3]["request_id"]


def test_another_start_of_the_editor_counts_requests_anew(tmp_path: Path) -> None:
    start = {"kind": "applicationStart", "time": 5}
    log = recording(
        fetched(1, 1), start, {"kind": "setContent", "id": 0, "time": 6, "content": "d", "v": 1}, fetched(1, 1)
    )
    rows = events("copilot-recording", written(tmp_path, log))[0]
    assert len({row["session_id"] for row in rows}) == 2
    assert len({row["request_id"] for row in rows if row["kind"] == "requested"}) == 2
    assert [row["seq"] for row in rows] == [0, 1, 0, 1]


def test_a_request_for_an_earlier_version_is_skipped(tmp_path: Path) -> None:
    change = {"kind": "changed", "id": 0, "time": 2, "v": 2, "edit": [[3, 3, "x"]]}
    rows, notes = events("copilot-recording", written(tmp_path, recording(change, fetched(1, 1))))
    assert kinds(rows) == ["opened", "changed"]
    assert +notes.skipped == {fetches.LATE: 1}


def test_a_cancelled_result_was_not_shown_even_if_there_is_one(tmp_path: Path) -> None:
    item = {"range": "[1,4 -> 1,4]", "text": "def"}
    log = recording(fetched(1, 1), fetched(1, 1, "end", error="canceled", result=[item]))
    rows, notes = events("copilot-recording", written(tmp_path, log))
    assert kinds(rows) == ["opened", "requested"]
    assert notes.losses[fetches.NOT_SHOWN] == 1


def test_a_proposal_is_accepted_once(tmp_path: Path) -> None:
    item = {"range": "[1,4 -> 1,4]"}
    accept = {"source": "inlineCompletionAccept"}
    log = recording(
        fetched(1, 1),
        fetched(1, 1, "end", result=[{**item, "text": "one"}]),
        fetched(2, 1),
        fetched(2, 1, "end", result=[{**item, "text": "two"}]),
        {"kind": "changed", "id": 0, "time": 10, "v": 2, "edit": [[3, 3, "two"]], "metadata": accept},
        {"kind": "changed", "id": 0, "time": 11, "v": 3, "edit": [[3, 3, "?"]], "metadata": accept},
        {"kind": "changed", "id": 0, "time": 12, "v": 4, "edit": [[3, 3, "!"]], "metadata": accept},
    )
    rows, notes = events("copilot-recording", written(tmp_path, log))
    accepted = [row["request_id"] for row in rows if row["kind"] == "accepted"]
    assert accepted == [rows[3]["request_id"], rows[1]["request_id"]]
    assert +notes.skipped == {fetches.UNPROPOSED: 1}


def test_recordings_in_one_file_are_apart(tmp_path: Path) -> None:
    other = recording(fetched(1, 1))
    other[0]["uuid"] = "w"
    rows = events("copilot-recording", written(tmp_path, [*recording(fetched(1, 1)), *other]))[0]
    assert [row["seq"] for row in rows] == [0, 1, 0, 1]
    assert len({row["document_id"] for row in rows}) == len({row["session_id"] for row in rows}) == 2


def test_windows_are_not_cut_inside_a_character(tmp_path: Path) -> None:
    log = recording()
    log[2]["content"] = "🚪" * 5000 + "x" + "🚪" * 5000
    log.append({"kind": "selectionChanged", "id": 0, "time": 2, "selection": [[9999, 10_001]]})
    row = events("copilot-recording", written(tmp_path, [*log, fetched(1, 1)]))[0][-1]
    assert "\ufffd" not in row["prefix"] + row["suffix"]
    assert row["caret"] == 10_001
    assert (len(row["prefix"]), len(row["suffix"])) == (4096, 4096)
    log[2]["content"] = "x" + "🚪" * 5000
    row = events("copilot-recording", written(tmp_path, [*log[:3], fetched(1, 1)]))[0][-1]
    assert row["suffix"] == "x" + "🚪" * 4095


# --- docs


@pytest.mark.parametrize("module", [continue_dev, tabby, zed, copilot_recording, fetches])
def test_the_docs_name_every_loss(module: ModuleType) -> None:
    page = (Path(__file__).parents[3] / "docs/concepts/foreign-formats.md").read_text()
    losses = [value for value in vars(module).values() if isinstance(value, Loss)]
    assert losses
    assert [loss for loss in losses if f"| {loss.field} | {loss.meaning} |" not in page] == []

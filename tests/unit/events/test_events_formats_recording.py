"""VS Code's recordings: edits, requests, what was shown and accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from foreign_logs import FIXTURES, events, kinds, written

from echo_ops.events.formats import copilot_recording, fetches


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

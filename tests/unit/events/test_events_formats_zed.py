"""Zed's examples: cursors, patches, and whose they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from foreign_logs import FIXTURES, START, events, fixture, kinds, lines, written

from echo_ops.events.formats import zed


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

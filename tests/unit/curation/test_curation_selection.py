"""The rules that look at many rows: overlaps, duplicates, balance, split."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from echo_ops.curation import near
from echo_ops.curation.curate import KEYS, select
from echo_ops.curation.duplicates import commit_key, content_key
from echo_ops.curation.split import is_held_out, split
from echo_ops.settings import Curation

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPEN = Curation(void_share=1.0, length_share=1.0)


def keys(*rows: dict[str, Any]) -> pa.Table:
    filled = [
        {
            "request_id": f"r{number}",
            "user_id": "u",
            "repository": "r",
            "document_id": "d",
            "requested_at": NOON + timedelta(seconds=number),
            "lesson_characters": 0 if row.pop("void", False) else 10,
            "commit_key": f"commit{number}",
            "content_key": f"content{number}",
            "signature": near.signatures([[f"shingle{number}"]])[0],
        }
        | row
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(filled, schema=KEYS)


def reasons(table: pa.Table, settings: Curation = OPEN) -> dict[str, str]:
    dropped = select(table, settings).dropped.to_pylist()
    return {row["request_id"]: row["reason"] for row in dropped}


def test_the_first_request_stands_for_a_commit_and_the_newest_for_a_content() -> None:
    table = keys({"commit_key": "a"}, {"commit_key": "a"}, {"content_key": "b"}, {"content_key": "b"})
    assert reasons(table) == {"r1": "overlap", "r2": "duplicate"}


def test_a_request_typed_through_shares_its_commit() -> None:
    code = "x" * 400
    first = commit_key("d", code + "\nreturn ", "value\n", "value", "}")
    assert commit_key("d", (code + "\nreturn va")[-256:], "lue\n", "lue", "}") == first
    assert commit_key("d", (code + "\nreturn va")[-256:], "lue\n", "lue\n", "}") == first
    assert commit_key("d", code + "\nreturn value\n", "", "", "}") != first  # nothing more came: another lesson
    assert commit_key("e", code + "\nreturn ", "value\n", "value", "}") != first
    assert commit_key("d", code + "\nreturn ", "other\n", "other", "}") != first


def test_each_line_of_a_long_commit_teaches_once() -> None:
    committed = "first = 1\nsecond = 2\nthird = 3\n"
    of_first = commit_key("d", "x\n", committed, "first = 1", "}")
    assert commit_key("d", "x\nfirst =", committed[7:], " 1", "}") == of_first
    assert commit_key("d", "x\n", committed, "first", "}") == of_first  # a shorter cut of the same line
    of_second = commit_key("d", "x\nfirst = 1\n", committed[10:], "second = 2", "}")
    assert of_second != of_first
    assert commit_key("d", "x\n", committed, "first = 1\nsecond = 2", "}") == of_second


def test_white_space_makes_no_new_content() -> None:
    assert content_key("go", "a\n\n\tb ", "c  d", "e") == content_key("go", "a\n b", "c d", " e")
    assert content_key("go", "a", "b", "c") != content_key("c", "a", "b", "c")
    assert content_key("go", "a", "b", "c") != content_key("go", "a", "bc", "")


def test_a_user_has_no_more_than_the_cap_and_keeps_what_fills() -> None:
    table = keys(*({"user_id": "a", "void": number < 5} for number in range(8)), {"user_id": "b"})
    dropped = reasons(table, Curation(max_per_user=3, void_share=1.0))
    assert dropped == {f"r{number}": "user_cap" for number in range(5)}


def test_a_repository_has_no_more_than_its_cap_and_rows_without_one_have_none() -> None:
    table = keys(*({"repository": "a"} for _ in range(5)), *({"repository": None} for _ in range(5)))
    dropped = reasons(table, OPEN.model_copy(update={"max_per_repository": 2}))
    assert set(dropped.values()) == {"repository_cap"}
    assert len(dropped) == 3
    assert set(dropped) <= {f"r{number}" for number in range(5)}


@pytest.mark.parametrize(
    ("sizes", "share", "balanced_from", "left"),
    [
        ((60, 20, 10, 0, 0), 0.5, 0, (30, 20, 10, 0, 0)),
        ((60, 50, 10, 0, 0), 0.4, 0, (20, 20, 10, 0, 0)),
        ((60, 20, 10, 0, 0), 1.0, 0, (60, 20, 10, 0, 0)),
        ((60, 20, 10, 0, 0), 0.5, 40, (40, 20, 10, 0, 0)),
        ((60, 0, 0, 0, 0), 0.5, 25, (25, 0, 0, 0, 0)),  # no share can be met: what is never taken away stays
        ((10, 10, 10, 10, 10), 0.2, 0, (10, 10, 10, 10, 10)),
    ],
)
def test_no_length_has_more_than_its_share(
    sizes: tuple[int, ...], share: float, balanced_from: int, left: tuple[int, ...]
) -> None:
    lengths = [length for length, size in zip((8, 32, 128, 512, 513), sizes, strict=True) for _ in range(size)]
    table = keys(*({"lesson_characters": length} for length in lengths))
    chosen = OPEN.model_copy(update={"length_share": share, "balanced_from": balanced_from})
    dropped = reasons(table, chosen)
    kept = [length for number, length in enumerate(lengths) if f"r{number}" not in dropped]
    assert tuple(kept.count(length) for length in (8, 32, 128, 512, 513)) == left
    assert set(dropped.values()) <= {"length_share"}
    assert reasons(table.take(list(reversed(range(len(lengths))))), chosen) == dropped


def test_no_language_has_more_than_its_share_and_silence_does_not_count() -> None:
    rows = [{"language": "go"}] * 30 + [{"language": "c"}] * 10 + [{"language": "go", "void": True}] * 10
    dropped = reasons(keys(*map(dict, rows)), OPEN.model_copy(update={"language_share": 0.6, "balanced_from": 0}))
    assert set(dropped.values()) == {"language_share"}
    assert len(dropped) == 15
    assert set(dropped) <= {f"r{number}" for number in range(30)}


@pytest.mark.parametrize(
    ("fills", "voids", "share", "kept"),
    [(85, 40, 0.15, 15), (10, 10, 0.0, 0), (0, 10, 0.15, 0), (5, 10, 0.5, 5), (0, 9, 1, 9)],
)
def test_silence_keeps_its_share(fills: int, voids: int, share: float, kept: int) -> None:
    table = keys(*({"void": number >= fills} for number in range(fills + voids)))
    dropped = reasons(table, Curation(void_share=share))
    assert set(dropped.values()) <= {"void_share"}
    assert voids - len(dropped) == kept


def test_silence_keeps_its_share_in_each_split() -> None:
    settings = Curation(void_share=0.5, evaluation_share=0.5)
    groups = [f"repo{number}" for number in range(20)]
    table = keys(*({"repository": group, "void": void} for group in groups for void in (False, True, True, True)))
    kept = {row["request_id"]: row["split"] for row in select(table, settings).kept.to_pylist()}
    for name in ("train", "evaluation"):
        voids = [not row["lesson_characters"] for row in table.to_pylist() if kept.get(row["request_id"]) == name]
        assert 0 < sum(voids) <= len(voids) / 2


SPLITS = [
    # rows as (repository, user, document) → the names of the groups
    ([("a", "u", "1"), ("b", "u", "2")], "auto", ["repository a", "repository b"]),
    ([("a", "u", "1"), ("a", "v", "2")], "auto", ["user u", "user v"]),
    ([("a", "u", "1"), ("b", "u", "2"), (None, "w", "3")], "auto", ["repository a", "repository b", "user w"]),
    ([(None, "u", "1"), (None, "v", "2")], "auto", ["user u", "user v"]),
    ([("a", "u", "1"), ("a", "u", "2")], "auto", ["document 1", "document 2"]),
    ([("a", "u", "1"), ("b", "v", "2")], "document", ["document 1", "document 2"]),
    ([("a", "u", "1"), ("b", "v", "2")], "user", ["user u", "user v"]),
    ([("a", "u", "1"), ("a", "u", "2")], "repository", ["repository a", "repository a"]),
]


@pytest.mark.parametrize(("rows", "split_by", "groups"), SPLITS)
def test_groups_are_held_out_whole(rows: list[tuple[str | None, str, str]], split_by: str, groups: list[str]) -> None:
    table = keys(*({"repository": r, "user_id": u, "document_id": d} for r, u, d in rows))
    for share in (0.0, 0.2, 0.5, 0.8, 1.0):
        splits, _ = split(table, Curation(split_by=split_by, evaluation_share=share))  # type: ignore[arg-type]
        found = [splits[f"r{number}"] for number in range(len(rows))]
        expected = ["evaluation" if is_held_out(group, share) else "train" for group in groups]
        if groups[0].startswith("document") and 0 < share < 1:
            assert set(found) == {"train", "evaluation"}
        else:
            assert found == expected


def test_a_group_stays_where_it_is_whatever_comes_beside_it() -> None:
    # written down: if these change, models are evaluated on what they were trained on
    assert [number for number in range(20) if is_held_out(f"repository r{number}", 0.3)] == [2, 4, 6, 7, 9, 10, 11, 12]
    held_out = sum(is_held_out(f"repository {number}", 0.15) for number in range(10_000))
    assert 1400 < held_out < 1600


def test_notes_say_what_a_person_should_know() -> None:
    one = keys({"document_id": "1"}, {"document_id": "2"})
    assert [note[:17] for note in select(one, OPEN).notes] == ["split by document"]
    several = keys({"repository": "a"}, {"repository": "b"})
    all_held_out = Curation(evaluation_share=0.999999)
    assert [note[:13] for note in select(several, all_held_out).notes] == ["no train rows"]
    none_held_out = Curation(evaluation_share=0.000001)
    assert [note[:18] for note in select(several, none_held_out).notes] == ["no evaluation rows"]
    assert select(several, Curation(evaluation_share=0.0)).notes == ()


def test_documents_beyond_the_threshold_are_where_the_threshold_puts_them() -> None:
    table = keys(*({"document_id": str(number)} for number in range(200)))
    splits, _ = split(table, Curation(evaluation_share=0.3))
    assert all((splits[f"r{n}"] == "evaluation") == is_held_out(f"document {n}", 0.3) for n in range(200))


def test_a_day_without_keys() -> None:
    selection = select(keys(), Curation())
    assert (selection.kept.num_rows, selection.dropped.num_rows, selection.notes) == (0, 0, ())

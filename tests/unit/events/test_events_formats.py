"""Importers, all of them: ids, names, order, what is refused, and what the docs say."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from foreign_logs import FILES, FIXTURES, START, events, fixture, lines, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echo_ops.errors import InputError
from echo_ops.events.formats import FORMATS, continue_dev, copilot_recording, fetches, port, read, tabby, zed
from echo_ops.events.formats.identity import Pseudonyms
from echo_ops.events.formats.port import Loss, Notes, Source
from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.schema.events import EVENTS


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


VALUES = st.sampled_from(
    [None, True, 0, -1, 7, 1e300, float("nan"), "", "x", "\ud83d", "é", "\0", [], [1], {}, {"a": 1}]
)


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_field_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    log = lines(FILES[name][0])
    for _ in range(data.draw(st.integers(1, 3))):
        held: Any = log[data.draw(st.integers(0, len(log) - 1))]
        while True:
            key = data.draw(st.sampled_from(sorted(held)) if isinstance(held, dict) else st.integers(0, len(held) - 1))
            if not isinstance(held[key], dict | list) or not held[key] or data.draw(st.booleans()):
                break
            held = held[key]
        held[key] = copy.deepcopy(data.draw(VALUES))
    file = written(tmp_path_factory.mktemp("log"), log)
    try:
        rows = events(name, file)[0]
    except InputError:
        return
    table = pa.Table.from_pylist(rows, schema=EVENTS)
    reconstruct(table)


@pytest.mark.parametrize("module", [continue_dev, tabby, zed, copilot_recording, fetches])
def test_the_docs_name_every_loss(module: ModuleType) -> None:
    page = (Path(__file__).parents[3] / "docs/concepts/foreign-formats.md").read_text()
    losses = [value for value in vars(module).values() if isinstance(value, Loss)]
    assert losses
    assert [loss for loss in losses if f"| {loss.field} | {loss.meaning} |" not in page] == []

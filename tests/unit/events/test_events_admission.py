"""Which rows are events, and what is said of the others."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from echo_ops.errors import InputError
from echo_ops.events import admission
from echo_ops.events.admission import REFUSALS, REFUSED, STAGED, admit, check_columns
from echo_ops.schema.events import EVENTS, KINDS, OFFSET_UNITS, TIMESTAMP

ID = "0194ce5e-7a5b-7cc3-98c4-dc0c0c07398f"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "event_id": ID,
    "kind": "requested",
    "occurred_at": NOON,
    "received_at": NOON,
    "user_id": "u",
    "session_id": "s",
    "document_id": "d",
    "seq": 3,
    "request_id": ID,
    "caret": 4,
    "document_length": 9,
    "prefix": "def ",
    "suffix": "\npass",
    "edits": None,
    "offset_unit": "utf-16",
}


def _batch(*changes: dict[str, Any], types: dict[str, pa.DataType] | None = None) -> pa.RecordBatch:
    rows = [{**dict.fromkeys(EVENTS.names), **EVENT, **change} for change in changes or ({},)]
    fields = [pa.field(f.name, (types or {}).get(f.name, f.type)) for f in EVENTS]
    return pa.RecordBatch.from_pylist(rows, schema=pa.schema(fields))


def test_a_whole_event_is_admitted_as_it_is() -> None:
    admitted = admit(_batch(), "day.parquet", first_row=7)
    assert admitted.refused.num_rows == 0
    assert admitted.events.to_pylist() == [{"row_number": 7, **dict.fromkeys(EVENTS.names), **EVENT}]
    assert admitted.events.schema.types == STAGED.types


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", OFFSET_UNITS)
def test_every_kind_in_every_unit(kind: str, unit: str) -> None:
    assert admit(_batch({"kind": kind, "offset_unit": unit}), "f").events.num_rows == 1


@pytest.mark.parametrize(
    ("reason", "detail", "change"),
    [
        *(("missing_value", field.name, {field.name: None}) for field in EVENTS if not field.nullable),
        ("missing_value", "kind, offset_unit", {"kind": None, "offset_unit": None}),
        ("bad_text", "suffix", {"suffix": "a\0b"}),
        ("bad_text", "user_id", {"user_id": "\0"}),
        ("too_large", "prefix", {"prefix": "x" * 200_001}),
        ("unknown_kind", "kind", {"kind": "Requested"}),
        ("unknown_kind", "kind", {"kind": ""}),
        ("unknown_offset_unit", "offset_unit", {"offset_unit": "utf-32"}),
        ("bad_uuid", "event_id", {"event_id": "42"}),
        ("bad_uuid", "event_id", {"event_id": ID + "0"}),
        ("bad_uuid", "event_id", {"event_id": ID + "\n"}),
        ("bad_uuid", "request_id", {"request_id": ID.replace("9", "g")}),
        ("time_out_of_range", "occurred_at", {"occurred_at": datetime(1969, 12, 31, tzinfo=UTC)}),
        ("time_out_of_range", "received_at", {"received_at": datetime(2100, 1, 1, tzinfo=UTC)}),
        ("bad_position", "seq", {"seq": -1}),
        ("bad_position", "caret", {"caret": -1}),
        ("bad_position", "document_length", {"document_length": 2**31}),
        ("bad_position", "replace_end", {"replace_start": 5, "replace_end": 4}),
        ("incomplete_request", "request_id", {"request_id": None}),
        ("incomplete_request", "prefix, suffix", {"prefix": None, "suffix": None}),
        *(
            ("bad_edits", "edits", {"edits": edits})
            for edits in (
                "", "[", "{}", "3", '"text"', "[3]", "[[1, 2]]", '[[1, 2, "a", 4]]', '[[2, 1, "a"]]', '[[-1, 1, "a"]]',
                '[[1.5, 2, "a"]]', '[["1", "2", "a"]]', '[[true, 2, "a"]]', "[[1, 2, null]]", '[[1, 2, "\\u0000"]]',
                '[[1, 2, "\\ud83d"]]', '[[1, 4294967296, ""]]', '[[NaN, 2, "a"]]', "[" * 100_000,
            )
        ),
    ],
)  # fmt: skip
def test_a_row_that_breaks_the_contract(
    reason: str, detail: str, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "LARGEST_TEXT", 200_000)
    admitted = admit(_batch({}, change, {}), "day.parquet", first_row=10)
    assert admitted.events["row_number"].to_pylist() == [10, 12]
    (refused,) = admitted.refused.to_pylist()
    assert (refused["row_number"], refused["source"]) == (11, "day.parquet")
    assert (refused["reason"], refused["detail"]) == (reason, detail)


def test_every_reason_is_tried() -> None:
    (mark,) = test_a_row_that_breaks_the_contract.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == set(REFUSALS)


@pytest.mark.parametrize(
    ("change", "name", "expected"),
    [
        ({"edits": ' [[0,0,"é\\ud83d\\ude00"],[3,5,""]]'}, "edits", '[[0, 0, "é😀"], [3, 5, ""]]'),
        ({"edits": "[]"}, "edits", "[]"),
        ({"edits": "null"}, "edits", None),
        ({"event_id": ID.replace("-", "").upper()}, "event_id", ID.replace("-", "").upper()),
        ({"prefix": ""}, "prefix", ""),
        ({"kind": "changed", "request_id": None, "prefix": None}, "prefix", None),
        (
            {"received_at": datetime(2099, 12, 31, 23, tzinfo=UTC)},
            "received_at",
            datetime(2099, 12, 31, 23, tzinfo=UTC),
        ),
        ({"version": -1}, "version", -1),
    ],
)
def test_what_is_unusual_but_right(change: dict[str, Any], name: str, expected: Any) -> None:
    admitted = admit(_batch(change), "f")
    assert admitted.refused.num_rows == 0
    assert admitted.events[name].to_pylist() == [expected]


@pytest.mark.parametrize(
    ("name", "type_", "value", "expected"),
    [
        ("kind", pa.large_string(), "requested", "requested"),
        ("kind", pa.string_view(), "requested", "requested"),
        ("kind", pa.dictionary(pa.int8(), pa.string()), "requested", "requested"),
        ("event_id", pa.binary(16), UUID(ID).bytes, ID.replace("-", "")),
        ("event_id", pa.uuid(), UUID(ID).bytes, ID.replace("-", "")),
        ("received_at", pa.timestamp("ns", "Asia/Tokyo"), NOON, NOON),
        ("received_at", pa.timestamp("ms"), NOON.replace(tzinfo=None), NOON),
        ("received_at", pa.timestamp("s", "UTC"), NOON.astimezone(timezone(timedelta(hours=5))), NOON),
        ("caret", pa.int16(), 4, 4),
        ("caret", pa.uint64(), 4, 4),
        ("caret", pa.float64(), 4.0, 4),
        ("caret", pa.float64(), float("nan"), None),
        ("caret", pa.null(), None, None),
        ("language", pa.null(), None, None),
        ("edits", pa.list_(pa.struct({"start": pa.int32(), "end": pa.int32(), "text": pa.string()})),
         [{"start": 1, "end": 2, "text": "é"}], '[[1, 2, "é"]]'),
        ("edits", pa.list_(pa.struct({"f0": pa.int32(), "f1": pa.int32(), "f2": pa.string()})),
         [{"f0": 1, "f1": 2, "f2": "é"}], '[[1, 2, "é"]]'),
        ("edits", pa.large_list(pa.list_(pa.string())), [["1", "2", "é"]], '[[1, 2, "é"]]'),
    ],
)  # fmt: skip
def test_types_that_carry_the_same(name: str, type_: pa.DataType, value: Any, expected: Any) -> None:
    batch = _batch({name: value}, types={name: type_})
    check_columns(batch.schema, "f")
    admitted = admit(batch, "f")
    assert admitted.refused.num_rows == 0
    assert admitted.events[name].to_pylist() == [expected]
    assert admitted.events.schema.types == STAGED.types


@pytest.mark.parametrize(
    ("name", "type_", "value"),
    [
        ("caret", pa.float64(), 4.5),
        ("caret", pa.float64(), float("inf")),
        ("caret", pa.float32(), -1.0),
        ("caret", pa.uint64(), 2**64 - 1),
        ("caret", pa.int64(), -(2**63)),
        ("received_at", pa.timestamp("s", "UTC"), 2**62),
        ("received_at", pa.timestamp("ns", "UTC"), -(2**63) + 1),
        ("edits", pa.list_(pa.list_(pa.string())), [["1", "x", "é"]]),
        ("edits", pa.list_(pa.struct({"start": pa.int32(), "end": pa.int32(), "text": pa.string()})),
         [{"start": 1, "end": None, "text": ""}]),
    ],
)  # fmt: skip
def test_values_that_fit_the_type_but_not_the_contract(name: str, type_: pa.DataType, value: Any) -> None:
    batch = _batch(types={name: type_})
    column = pa.array([value], pa.int64()).view(type_) if isinstance(value, int) and name == "received_at" else None
    index = batch.schema.get_field_index(name)
    batch = batch.set_column(index, name, pa.array([value], type_) if column is None else column)
    admitted = admit(batch, "f")
    assert (admitted.events.num_rows, admitted.refused["detail"].to_pylist()) == (0, [name])


def test_text_that_is_no_utf8() -> None:
    broken = pa.array([b"ok", b"\xff\xfe", b"\xed\xa0\xbd"], pa.binary()).view(pa.string())
    batch = _batch({}, {}, {})
    batch = batch.set_column(batch.schema.get_field_index("path"), "path", broken)
    admitted = admit(batch, "f")
    assert admitted.events["path"].to_pylist() == ["ok"]
    assert admitted.refused["reason"].to_pylist() == ["bad_text", "bad_text"]
    json.loads(admitted.refused["row"][0].as_py())


def test_a_refused_row_is_kept_without_the_users_text() -> None:
    secret = "hunter2-is-my-password"
    change = {"seq": -1, "prefix": secret, "suffix": secret, "proposal": secret, "edits": json.dumps([[0, 0, secret]])}
    refused = admit(_batch({**change, "cause": "x" * 500}), "f").refused
    assert refused.schema == REFUSED
    row = json.loads(refused["row"][0].as_py())
    assert secret not in refused["row"][0].as_py()
    assert row["prefix"] == {"characters": len(secret)}
    assert (row["seq"], row["cause"], row["received_at"]) == (-1, "x" * 64, "2026-11-20 12:00:00.000000")


def test_the_digest_tells_rows_apart_that_look_the_same_without_their_text() -> None:
    refused = admit(_batch({"seq": -1}, {"seq": -1, "prefix": "xxxx"}, {"seq": -1}), "f").refused
    first, second, third = refused["digest"].to_pylist()
    assert first == third != second


@pytest.mark.parametrize(
    ("drop", "replace", "message"),
    [
        (["caret", "seq"], {}, r"f\.parquet: column seq, caret is missing"),
        ([], {"seq": pa.string()}, r"f\.parquet: column seq is string, wanted is int64"),
        ([], {"received_at": pa.int64()}, r"column received_at is int64, wanted is timestamp"),
        ([], {"prefix": pa.binary()}, r"column prefix is binary, wanted is string"),
        ([], {"event_id": pa.binary(8)}, r"column event_id is fixed_size_binary\[8\]"),
        ([], {"edits": pa.list_(pa.int64())}, r"column edits is list<.*wanted is string \(JSON\), or list"),
    ],
)
def test_a_file_without_the_columns(drop: list[str], replace: dict[str, pa.DataType], message: str) -> None:
    fields = [pa.field(f.name, replace.get(f.name, f.type)) for f in EVENTS if f.name not in drop]
    with pytest.raises(InputError, match=message):
        check_columns(pa.schema(fields), "f.parquet")


def test_further_columns_do_not_matter() -> None:
    check_columns(pa.schema([*EVENTS, pa.field("received_by", pa.decimal128(9))]), "f")
    assert TIMESTAMP in EVENTS.types

"""Which rows of a foreign table are completion events as contract.md has them, and what is wrong with the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.errors import InputError
from echo_ops.schema.events import EVENTS, KINDS, OFFSET_UNITS, TIMESTAMP

Refusal = Literal[
    "missing_value",  # a required column is null
    "bad_text",  # a NUL, or no UTF-8
    "too_large",  # a text above LARGEST_TEXT
    "unknown_kind",
    "unknown_offset_unit",
    "bad_uuid",
    "time_out_of_range",  # before 1970 or after 2099
    "bad_position",  # negative, fractional, above 2**31 - 1, or a range that ends before it starts
    "bad_edits",  # not [[start, end, text], …]
    "incomplete_request",  # requested, without request_id, prefix or suffix
]
REFUSALS: tuple[str, ...] = get_args(Refusal)
"""The closed vocabulary; a row that breaks several rules has the first of them."""

LARGEST_TEXT = 16 * 2**20
"""Bytes of a prefix, a suffix or another text: no editor sends more, and Postgres' jsonb takes no more than 256 MiB."""

USER_TEXT = ("prefix", "suffix", "edits", "proposal")
UUIDS = ("event_id", "request_id")
TIMES = ("occurred_at", "received_at")
POSITIONS = ("caret", "document_length", "replace_start", "replace_end")

_UUID = "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$"
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_YEAR_2100 = 4_102_444_800  # seconds since 1970
_LARGEST_INTEGER = 2**31 - 1
_EXACT = 2**53  # whole numbers above are not exact as floats, which JSON and pandas make of them

STAGED = pa.schema([pa.field("row_number", pa.int64()), *EVENTS])
REFUSED = pa.schema(
    [
        pa.field("row_number", pa.int64()),
        pa.field("digest", pa.binary()),  # SHA-256 of the whole row
        pa.field("source", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),  # the column; never a user's text
        pa.field("row", pa.string()),  # JSON: long values cut, text replaced by its length
    ]
)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A batch, parted: written by ``admit``, read by ``load``. Every row is in exactly one of the two."""

    events: pa.Table  # STAGED
    refused: pa.Table  # REFUSED


def check_columns(schema: pa.Schema, source: str) -> None:
    """Make sure that a file has every column, each of a type that can be read; further columns do not matter.

    Raises:
        InputError: a column is missing, or is of another type; both are named.
    """
    missing = [name for name in EVENTS.names if name not in schema.names]
    if missing:
        raise InputError(f"{source}: column {', '.join(missing)} is missing; wanted are {', '.join(EVENTS.names)}")
    for name in EVENTS.names:
        found = _plain_type(schema.field(name).type)
        if not _readable(name, found):
            raise InputError(f"{source}: column {name} is {found}, wanted is {_wanted(name)}")


def admit(batch: pa.RecordBatch, source: str, first_row: int = 0) -> Admitted:
    """Part the rows of a batch whose columns were checked.

    Args:
        batch: rows as they came; types as ``check_columns`` allows.
        source: name of the file, for the refused rows.
        first_row: number of the batch's first row in its file.

    Text may come as any string or dictionary type, UUIDs also as 16 bytes, times in any unit and zone (without a zone:
    UTC), whole numbers also as floats (null as NaN), edits as JSON or as lists of ``[start, end, text]``.
    """
    raw = {name: _plain(batch.column(name)) for name in EVENTS.names}
    faults = _Faults(batch.num_rows)
    clean: dict[str, pa.Array] = {}
    for name in EVENTS.names:
        if name in TIMES:
            clean[name] = _times(raw[name], faults.of("time_out_of_range", name))
        elif pa.types.is_integer(EVENTS.field(name).type):
            clean[name] = _integers(name, raw[name], faults.of("bad_position", name))
        elif name in UUIDS and pa.types.is_fixed_size_binary(raw[name].type):
            clean[name] = pa.array([None if v is None else v.hex() for v in raw[name].to_pylist()], pa.string())
        elif name == "edits" and _is_list(raw[name].type):
            clean[name] = raw[name]
        else:
            clean[name] = _text(raw[name], faults.of("bad_text", name), faults.of("too_large", name))
    _judge(clean, faults)
    clean["edits"] = _edits(clean["edits"], faults.of("bad_edits", "edits"))
    rows = pa.array(np.arange(first_row, first_row + batch.num_rows))
    admitted = pa.Table.from_arrays([rows, *(clean[name] for name in EVENTS.names)], names=STAGED.names)
    refused = np.flatnonzero(faults.first)
    return Admitted(
        admitted.filter(pa.array(faults.first == 0)).cast(pa.schema([field.with_nullable(True) for field in STAGED])),
        _refused(raw, refused, faults, source, first_row),
    )


class _Faults:
    """The first fault of each row, in the order of ``REFUSALS``."""

    def __init__(self, rows: int) -> None:
        self.first: npt.NDArray[np.int16] = np.zeros(rows, np.int16)  # 0: none; n: the n-th of REFUSALS
        self.columns: dict[int, list[tuple[str, Mask]]] = {}

    def of(self, reason: Refusal, column: str) -> Callable[[Any], None]:
        """What is to be called with the mask of the rows that have this fault; null counts as none."""

        def mark(mask: Any) -> None:
            if not isinstance(mask, np.ndarray):
                mask = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
            if not mask.any():
                return
            code = REFUSALS.index(reason) + 1
            self.columns.setdefault(code, []).append((column, mask))
            self.first[mask & ((self.first == 0) | (self.first > code))] = code

        return mark

    def detail(self, row: int) -> str:
        return ", ".join(column for column, mask in self.columns[int(self.first[row])] if mask[row])


def _judge(clean: dict[str, pa.Array], faults: _Faults) -> None:
    for field in EVENTS:
        if not field.nullable:
            faults.of("missing_value", field.name)(pc.is_null(clean[field.name]))
    known = {"kind": ("unknown_kind", KINDS), "offset_unit": ("unknown_offset_unit", OFFSET_UNITS)}
    for name, (reason, values) in known.items():
        unknown = pc.invert(pc.is_in(clean[name], value_set=pa.array(values)))
        faults.of(reason, name)(pc.and_(unknown, pc.is_valid(clean[name])))  # type: ignore[arg-type]
    for name in UUIDS:
        faults.of("bad_uuid", name)(pc.invert(pc.match_substring_regex(clean[name], _UUID)))
    faults.of("bad_position", "replace_end")(pc.less(clean["replace_end"], clean["replace_start"]))
    requested = pc.fill_null(pc.equal(clean["kind"], "requested"), False)
    for name in ("request_id", "prefix", "suffix"):
        faults.of("incomplete_request", name)(pc.and_(requested, pc.is_null(clean[name])))


def _text(column: pa.Array, bad: Callable[[Any], None], large: Callable[[Any], None]) -> pa.Array:
    """As UTF-8 strings; what is none is marked and becomes null."""
    stored = column.cast(pa.large_binary())
    try:
        text = stored.cast(pa.large_string())
    except pa.ArrowInvalid:
        values = stored.to_pylist()
        broken = np.array([value is not None and not _is_utf8(value) for value in values])
        bad(broken)
        text = pc.if_else(pa.array(broken), pa.scalar(None, pa.large_binary()), stored).cast(pa.large_string())
    bad(pc.match_substring(text, "\0"))
    large(pc.greater(pc.binary_length(text), LARGEST_TEXT))
    return text


def _times(column: pa.Array, bad: Callable[[Any], None]) -> pa.Array:
    """In microseconds, rounded down; what is out of range is marked and becomes 1970."""
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), TIMESTAMP)
    per_second = _PER_SECOND[column.type.unit]
    ticks = column.cast(pa.int64())
    outside = pc.or_(pc.less(ticks, 0), pc.greater_equal(ticks, _YEAR_2100 * per_second))
    bad(outside)
    ticks = pc.if_else(outside, 0, ticks)
    scaled = pc.multiply(ticks, 10**6 // per_second) if per_second <= 10**6 else pc.divide(ticks, per_second // 10**6)
    return scaled.cast(TIMESTAMP)


def _integers(name: str, column: pa.Array, bad: Callable[[Any], None]) -> pa.Array:
    """As 64-bit integers; what is none, or out of its range, is marked and becomes 0."""
    if pa.types.is_null(column.type):
        return column.cast(pa.int64())
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    least, most = (0, _LARGEST_INTEGER) if name in POSITIONS else (0 if name == "seq" else -_EXACT, _EXACT)
    outside = pc.greater(column, pa.scalar(most, pa.uint64() if pa.types.is_uint64(column.type) else pa.int64()))
    if not pa.types.is_unsigned_integer(column.type):
        outside = pc.or_(outside, pc.less(column, least))
    if pa.types.is_floating(column.type):
        outside = pc.or_(outside, pc.not_equal(column, pc.floor(column)))
    bad(outside)
    return pc.if_else(outside, pa.scalar(0, column.type), column).cast(pa.int64())


def _edits(column: pa.Array, bad: Callable[[Any], None]) -> pa.Array:
    """As JSON text in one form; what is no list of edits is marked and becomes null."""
    broken = np.zeros(len(column), np.bool_)
    texts: list[str | None] = [None] * len(column)
    for row in np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).tolist():
        try:
            texts[row] = _edits_text(column[row].as_py())
        except (ValueError, TypeError, KeyError, RecursionError):
            broken[row] = True
    bad(broken)
    return pa.array(texts, pa.large_string())


def _edits_text(value: Any) -> str | None:
    edits = json.loads(value) if isinstance(value, str) else value
    if edits is None:
        return None
    if not isinstance(edits, list):
        raise ValueError
    checked = []
    for edit in edits:
        if isinstance(edit, dict):
            edit = [edit["start"], edit["end"], edit["text"]] if "start" in edit else list(edit.values())
        start, end, text = edit
        if not isinstance(value, str):  # Arrow's lists hold values of one type: then the offsets are text
            start, end = int(start), int(end)
        if type(start) is not int or type(end) is not int or not isinstance(text, str):
            raise ValueError
        if not 0 <= start <= end <= _LARGEST_INTEGER or "\0" in text:
            raise ValueError
        text.encode()  # half a surrogate pair, which jsonb refuses, raises here
        checked.append([start, end, text])
    return json.dumps(checked, ensure_ascii=False)


def _refused(
    raw: dict[str, pa.Array], rows: npt.NDArray[np.intp], faults: _Faults, source: str, first_row: int
) -> pa.Table:
    columns = {name: _shown(column.take(pa.array(rows))) for name, column in raw.items()}
    records = []
    for index, row in enumerate(rows.tolist()):
        whole = {name: values[index] for name, values in columns.items()}
        kept = {name: _without_text(name, value) for name, value in whole.items() if value is not None}
        records.append(
            {
                "row_number": first_row + row,
                "digest": sha256(json.dumps(whole).encode()).digest(),
                "source": source,
                "reason": REFUSALS[int(faults.first[row]) - 1],
                "detail": faults.detail(row),
                "row": json.dumps(kept),
            }
        )
    return pa.Table.from_pylist(records, schema=REFUSED)


def _shown(column: pa.Array) -> list[Any]:
    """Values as JSON can hold them, whatever they are."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
    elif _is_text(column.type):
        return [None if v is None else v.decode(errors="replace") for v in column.cast(pa.large_binary()).to_pylist()]
    return [value if value is None or isinstance(value, str | int) else str(value) for value in column.to_pylist()]


def _without_text(name: str, value: Any) -> Any:
    if name in USER_TEXT:
        return {"characters": len(value)}
    return value.replace("\0", "\N{SYMBOL FOR NULL}")[:64] if isinstance(value, str) else value


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _plain(column: pa.Array) -> pa.Array:
    """Without extension, dictionary and views, for which Arrow lacks some functions."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column


def _plain_type(found: pa.DataType) -> pa.DataType:
    if isinstance(found, pa.BaseExtensionType):
        found = found.storage_type
    return found.value_type if pa.types.is_dictionary(found) else found


def _readable(name: str, found: pa.DataType) -> bool:
    if pa.types.is_null(found):
        return True
    if name in TIMES:
        return bool(pa.types.is_timestamp(found))
    if pa.types.is_integer(EVENTS.field(name).type):
        return bool(pa.types.is_integer(found) or pa.types.is_floating(found))
    if name in UUIDS and pa.types.is_fixed_size_binary(found):
        return bool(found.byte_width == 16)
    return _is_text(found) or (name == "edits" and _is_list(found) and _is_edit(found.value_type))


def _is_text(found: pa.DataType) -> bool:
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found))


def _is_list(found: pa.DataType) -> bool:
    return bool(pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found))


def _is_edit(found: pa.DataType) -> bool:
    return bool(_is_list(found) or (pa.types.is_struct(found) and found.num_fields == 3))


def _wanted(name: str) -> str:
    if name in TIMES:
        return "timestamp"
    if name == "edits":
        return "string (JSON), or list of [start, end, text]"
    return str(EVENTS.field(name).type)

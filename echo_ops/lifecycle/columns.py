"""Events of a table as Python lists, document by document and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.lifecycle.edits import parse_all
from echo_ops.lifecycle.rows import Columns, DocumentRows
from echo_ops.schema.events import OFFSET_UNITS, SHOWING

PORTION = 4096
"""Events of which the text is in Python's memory at once, unless one document has more."""

Rows = npt.NDArray[np.int64]
Taken = list[Any]


@dataclass(frozen=True, slots=True)
class Portion:
    """Some documents of a table."""

    rows: Rows  # of the table
    columns: Columns  # of these rows
    documents: list[DocumentRows]


def portions(events: pa.RecordBatch) -> Iterator[Portion]:
    """The documents of a table in the columns of ``EVENTS``, some thousand events at a time, in whatever order it is.

    Of prefixes and edits only a portion's are in Python's memory, of other strings each that differs: for a whole
    table of windows, making room for them costs more than all that is done with them. A document is always in one
    portion. A repeat is the same event told twice: whichever was received first stands for it. Where two sessions
    count their own ``seq`` in one document, each is read alone. Edits that cannot be used are None, and so are windows
    of kinds that show nothing.
    """
    if not events.num_rows:
        return
    document, session, user = (
        _codes(events[name].dictionary_encode()) for name in ("document_id", "session_id", "user_id")
    )
    order, repeated = _order(events, document)
    twice = order[1:][repeated & ~_same(session[order])]
    if len(twice):  # in these documents, each session is read as a document of its own
        alone = np.isin(document, document[twice])
        document = document * (session.max() + 1) + np.where(alone, session, 0)
        order, repeated = _order(events, document)
    order = order[np.append(True, ~repeated)]

    same = _same(document[order])
    starts = np.flatnonzero(np.append(True, ~same))
    stops = np.append(starts[1:], len(order))
    several = np.logical_or.reduceat(np.append(False, same & ~_same(user[order])), starts)
    # Code points are the first of all units: a document of which some events count otherwise has the unit of those.
    units = pc.index_in(events["offset_unit"], pa.array(OFFSET_UNITS)).to_numpy()
    unit = np.array(OFFSET_UNITS, object)[np.maximum.reduceat(units[order], starts)]
    received_at = events["received_at"].cast(pa.int64()).to_numpy()[order[stops - 1]]

    columns = _columns(events, user)
    found: list[DocumentRows] = []
    first = 0
    facts = (starts, stops, several, unit, received_at)
    for start, stop, *more in zip(*(values.tolist() for values in facts), strict=True):
        found.append(DocumentRows(start - first, stop - first, *more))
        if stop - first >= PORTION or stop == len(order):
            yield Portion(order[first:stop], columns(order[first:stop]), found)
            first, found = stop, []


def _columns(events: pa.RecordBatch, user: Rows) -> Callable[[Rows], Columns]:
    """What takes rows out of ``events``. Each column is made ready once, as its values are best taken."""
    shows = np.asarray(pc.is_in(events["kind"], pa.array(SHOWING)))
    names = [field.name for field in fields(Columns) if field.name != "user_id"]
    takers = {name: _taker(name, events[name], shows) for name in names}
    return lambda rows: Columns(user_id=user[rows].tolist(), **{name: take(rows) for name, take in takers.items()})


def _taker(name: str, column: pa.Array, shows: npt.NDArray[np.bool_]) -> Callable[[Rows], Taken]:
    if column.null_count == len(column):
        return lambda rows: [None] * len(rows)
    if name == "prefix":
        return _texts(column, shows)
    if name == "edits":
        return lambda rows: _parsed(column.take(pa.array(rows)).to_pylist())
    if pa.types.is_string(column.type):
        # What is typed leaves the text behind the caret as it is: one in fifteen suffixes is another than before.
        return _words(column, shows if name == "suffix" else None)
    return _numbers(column)


def _numbers(column: pa.Array) -> Callable[[Rows], Taken]:
    """Whole numbers; times in microseconds."""
    values = column.cast(pa.int64()).fill_null(0).to_numpy()
    if not column.null_count:
        return lambda rows: values[rows].tolist()
    valid = np.asarray(column.is_valid())

    def take(rows: Rows) -> Taken:
        known, found = valid[rows], np.full(len(rows), None)
        found[known] = values[rows[known]]
        taken: Taken = found.tolist()
        return taken

    return take


def _words(column: pa.Array, shown: npt.NDArray[np.bool_] | None = None) -> Callable[[Rows], Taken]:
    """Strings, of which many are the same: each is made once. None where they are not ``shown``."""
    encoded = column.dictionary_encode()
    words = np.array([*encoded.dictionary.to_pylist(), None], object)
    codes = _codes(encoded)
    if shown is not None:
        codes = np.where(shown, codes, -1)
    return lambda rows: words[codes[rows]].tolist()


def _texts(column: pa.Array, shown: npt.NDArray[np.bool_]) -> Callable[[Rows], Taken]:
    """Long strings, taken as views: the text stays where it is (Arrow's ``string_view``). None where not ``shown``."""
    known = shown & np.asarray(column.is_valid())
    viewed = column.cast(pa.string_view())
    _, views, *text = viewed.buffers()
    views = np.frombuffer(views, "V16")[viewed.offset : viewed.offset + len(viewed)]

    def take(rows: Rows) -> Taken:
        valid = pa.py_buffer(np.packbits(known[rows], bitorder="little"))
        taken = pa.Array.from_buffers(viewed.type, len(rows), [valid, pa.py_buffer(views[rows]), *text])
        texts: Taken = taken.to_pylist()
        return texts

    return take


def _parsed(edits: list[str | None]) -> Taken:
    some = [row for row, text in enumerate(edits) if text is not None]
    parsed: Taken = [None] * len(edits)
    for row, value in zip(some, parse_all([edits[row] or "" for row in some]), strict=True):
        parsed[row] = value
    return parsed


def _order(events: pa.RecordBatch, document: Rows) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """The rows by document, each as it went, repeats by when they were received, and which rows repeat."""
    keys = pa.table({"document": document, **{name: events[name] for name in ("seq", "received_at", "event_id")}})
    order: Rows = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]).to_numpy()
    return order, _same(document[order]) & _same(events["seq"].to_numpy()[order])


def _same(values: Rows) -> npt.NDArray[np.bool_]:
    """Whether each but the first is like the one before."""
    return np.asarray(values[1:] == values[:-1])


def _codes(encoded: pa.DictionaryArray) -> Rows:
    """A number for each distinct value; -1 for none."""
    return np.asarray(encoded.indices.fill_null(-1), np.int64)

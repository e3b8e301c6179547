"""Events of a table as Python lists, document by document and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.lifecycle.edits import parse_all
from echo_ops.lifecycle.rows import CODE_POINT, Columns, DocumentRows
from echo_ops.schema.events import SHOWING

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
    keys = pa.table({"document": document, **{name: events[name] for name in ("seq", "received_at", "event_id")}})
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]).to_numpy()
    document, session, user, seq = document[order], session[order], user[order], events["seq"].to_numpy()[order]

    same = document[1:] == document[:-1]
    repeated = [False, *(same & (seq[1:] == seq[:-1])).tolist()]
    sessions = set(document[1:][same & (session[1:] != session[:-1])].tolist())
    users = set(document[1:][same & (user[1:] != user[:-1])].tolist())
    units = set(document[np.asarray(pc.not_equal(events["offset_unit"], CODE_POINT))[order]].tolist())

    starts = np.flatnonzero(np.append(True, ~same)).tolist()
    columns = _columns(events)
    found: list[DocumentRows] = []
    first = 0
    for start, stop in pairwise([*starts, len(document)]):
        code = int(document[start])
        several, converted = code in users, code in units
        if code in sessions and _apart(session[start:stop], seq[start:stop]):
            for one in np.unique(session[start:stop]):
                mine = np.flatnonzero(session[start:stop] == one) + start
                mine = mine[np.append(True, seq[mine][1:] != seq[mine][:-1])]
                found.append(DocumentRows((mine - first).tolist(), several, converted))
        else:
            rows = [row - first for row in range(start, stop) if not repeated[row]]
            found.append(DocumentRows(rows, several, converted))
        if stop - first >= PORTION or stop == len(document):
            yield Portion(order[first:stop], columns(order[first:stop]), found)
            first, found = stop, []


def _columns(events: pa.RecordBatch) -> Callable[[Rows], Columns]:
    """What takes rows out of ``events``. Each column is made ready once, as its values are best taken."""
    shows = np.asarray(pc.is_in(events["kind"], pa.array(SHOWING)))
    takers = {field.name: _taker(field.name, events[field.name], shows) for field in fields(Columns)}
    return lambda rows: Columns(**{name: take(rows) for name, take in takers.items()})


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
    valid = np.asarray(column.is_valid())
    values = column.cast(pa.int64()).fill_null(0).to_numpy()

    def take(rows: Rows) -> Taken:
        if not column.null_count:
            return list(values[rows].tolist())
        known, found = valid[rows], np.full(len(rows), None)
        found[known] = values[rows[known]]
        return list(found.tolist())

    return take


def _words(column: pa.Array, shown: npt.NDArray[np.bool_] | None = None) -> Callable[[Rows], Taken]:
    """Strings, of which many are the same: each is made once. None where they are not ``shown``."""
    encoded = column.dictionary_encode()
    words = np.array([*encoded.dictionary.to_pylist(), None], object)
    codes = _codes(encoded)
    if shown is not None:
        codes = np.where(shown, codes, -1)
    return lambda rows: list(words[codes[rows]].tolist())


def _texts(column: pa.Array, shown: npt.NDArray[np.bool_]) -> Callable[[Rows], Taken]:
    """Long strings, taken as views: the text stays where it is (Arrow's ``string_view``). None where not ``shown``."""
    known = shown & np.asarray(column.is_valid())
    viewed = column.cast(pa.string_view())
    _, views, *text = viewed.buffers()
    views = np.frombuffer(views, "V16")[viewed.offset : viewed.offset + len(viewed)]

    def take(rows: Rows) -> Taken:
        valid = pa.py_buffer(np.packbits(known[rows], bitorder="little"))
        taken = pa.Array.from_buffers(viewed.type, len(rows), [valid, pa.py_buffer(views[rows]), *text])
        return list(taken.to_pylist())

    return take


def _parsed(edits: list[str | None]) -> Taken:
    some = [row for row, text in enumerate(edits) if text is not None]
    parsed: Taken = [None] * len(edits)
    for row, value in zip(some, parse_all([edits[row] or "" for row in some]), strict=True):
        parsed[row] = value
    return parsed


def _apart(session: Rows, seq: Rows) -> bool:
    """Whether several sessions each count their own ``seq``."""
    return len(np.unique(np.stack([session, seq]), axis=1).T) > len(np.unique(seq))


def _codes(encoded: pa.DictionaryArray) -> Rows:
    """A number for each distinct value; -1 for none."""
    return np.asarray(encoded.indices.fill_null(-1), np.int64)

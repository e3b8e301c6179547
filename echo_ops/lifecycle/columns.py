"""Events of a table as Python lists, document by document and in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.lifecycle.edits import parse_all
from echo_ops.lifecycle.rows import CODE_POINT, Columns, DocumentRows
from echo_ops.schema.conform import whole
from echo_ops.schema.events import SHOWING

WINDOWS = ("prefix", "suffix")

PORTION = 4096
"""Events of which the text is in Python's memory at once, unless one document has more."""

_Codes = npt.NDArray[np.int64]


def columns(events: pa.Table) -> Columns:
    """Args: events: table in the columns of ``EVENTS``; edits that cannot be used become None."""

    def values(name: str) -> list[Any]:
        column = events[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        return [None] * len(column) if column.null_count == len(column) else list(column.to_pylist())

    raw = values("edits")
    some = [row for row, text in enumerate(raw) if text is not None]
    for row, parsed in zip(some, parse_all([raw[row] for row in some]), strict=True):
        raw[row] = parsed
    return Columns(edits=raw, **{field.name: values(field.name) for field in fields(Columns) if field.name != "edits"})


@dataclass(frozen=True, slots=True)
class Portion:
    """Some documents of a table."""

    events: pa.Table  # windows as views of the table's
    documents: list[DocumentRows]


def portions(events: pa.Table) -> Iterator[Portion]:
    """The documents of a table, some thousand events at a time, independent of the order that the events came in.

    Only a portion's text is in Python's memory: for a whole table of windows, making room for it costs more
    than all that is done with it. A document is always in one portion. A repeat is the same event told twice:
    whichever was received first stands for it. Where two sessions count their own ``seq`` in one document, each is
    read alone.
    """
    if not events.num_rows:
        return
    document, session, user = (_codes(events[name]) for name in ("document_id", "session_id", "user_id"))
    keys = pa.table({"document": document, **{name: events[name] for name in ("seq", "received_at", "event_id")}})
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]).to_numpy()
    document, session, user, seq = document[order], session[order], user[order], events["seq"].to_numpy()[order]
    unseen = pc.invert(pc.is_in(events["kind"], pa.array(SHOWING))).to_numpy()[order]

    same = document[1:] == document[:-1]
    repeated = [False, *(same & (seq[1:] == seq[:-1])).tolist()]
    sessions = set(document[1:][same & (session[1:] != session[:-1])].tolist())
    users = set(document[1:][same & (user[1:] != user[:-1])].tolist())
    units = set(document[pc.not_equal(events["offset_unit"], CODE_POINT).to_numpy()[order]].tolist())

    starts = np.flatnonzero(np.append(True, ~same)).tolist()
    windows, narrow = {name: _Texts(events[name]) for name in WINDOWS}, events.drop_columns(list(WINDOWS))
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
            taken = narrow.take(pa.array(order[first:stop]))
            for name, texts in windows.items():
                taken = taken.append_column(name, texts.take(order[first:stop], unseen[first:stop]))
            yield Portion(taken, found)
            first, found = stop, []


class _Texts:
    """A column of strings, of which rows are taken as views: their text stays where it is (Arrow's ``string_view``)."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        texts = whole(column)
        self._valid = texts.is_valid().to_numpy(zero_copy_only=False)
        viewed = texts.cast(pa.string_view())
        _, views, *self._buffers = viewed.buffers()
        self._views = np.frombuffer(views, "V16")[viewed.offset : viewed.offset + len(viewed)]

    def take(self, rows: _Codes, unseen: npt.NDArray[np.bool_]) -> pa.Array:
        """Null where they are ``unseen``."""
        valid = np.packbits(self._valid[rows] & ~unseen, bitorder="little")
        buffers = [pa.py_buffer(valid), pa.py_buffer(self._views[rows]), *self._buffers]
        return pa.Array.from_buffers(pa.string_view(), len(rows), buffers)


def _apart(session: _Codes, seq: _Codes) -> bool:
    """Whether several sessions each count their own ``seq``."""
    return len(np.unique(np.stack([session, seq]), axis=1).T) > len(np.unique(seq))


def _codes(column: pa.ChunkedArray) -> _Codes:
    """A number for each distinct value."""
    return np.asarray(whole(column).dictionary_encode().indices, np.int64)

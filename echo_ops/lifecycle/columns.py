"""Events of a table as Python lists, document by document and in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.lifecycle.edits import parse_all
from echo_ops.lifecycle.rows import CODE_POINT, Columns, DocumentRows, Windows
from echo_ops.schema.texts import whole

_Codes = npt.NDArray[np.int64]

PORTION = 4096
"""Events that are Python's objects at once, unless one document has more: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Some documents of a table."""

    rows: _Codes  # in the table: document by document, by ``seq``
    documents: list[DocumentRows]


def columns(events: pa.Table, windows: Windows) -> Columns:
    """Args: events: of a portion, in the columns of ``EVENTS``; edits that cannot be used become None."""
    return Columns(
        kind=_words(events["kind"]),
        occurred_at=_times(events["occurred_at"]),
        received_at=_times(events["received_at"]),
        user_id=_words(events["user_id"]),
        seq=_values(events["seq"]),
        version=_values(events["version"]),
        request_id=_values(events["request_id"]),
        caret=_values(events["caret"]),
        document_length=_values(events["document_length"]),
        windows=windows,
        edits=_edits(events["edits"]),
        cause=_words(events["cause"]),
        proposal=_values(events["proposal"]),
        replace_start=_values(events["replace_start"]),
        replace_end=_values(events["replace_end"]),
        offset_unit=_words(events["offset_unit"]),
    )


def portions(events: pa.Table) -> Iterator[Portion]:
    """The documents of a table, some thousand events at a time, independent of the order that the events came in.

    A document is always in one portion. A repeat is the same event told twice: whichever was received first stands for
    it. Where two sessions count their own ``seq`` in one document, each is read alone.
    """
    if not events.num_rows:
        return
    document, session, user = (_codes(events[name]) for name in ("document_id", "session_id", "user_id"))
    keys = pa.table({"document": document, **{name: events[name] for name in ("seq", "received_at", "event_id")}})
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]).to_numpy()
    order = order.astype(np.int64)
    document, session, user, seq = document[order], session[order], user[order], events["seq"].to_numpy()[order]

    same = document[1:] == document[:-1]
    first = np.append(True, ~same | (seq[1:] != seq[:-1]))  # not a repeat
    sessions = set(document[1:][same & (session[1:] != session[:-1])].tolist())
    users = set(document[1:][same & (user[1:] != user[:-1])].tolist())
    units = set(document[pc.not_equal(events["offset_unit"], CODE_POINT).to_numpy()[order]].tolist())

    found: list[DocumentRows] = []
    begin = 0  # of the portion
    for start, stop in pairwise([*np.flatnonzero(np.append(True, ~same)).tolist(), len(document)]):
        code = int(document[start])
        several, converted = code in users, code in units
        if code in sessions and _apart(session[start:stop], seq[start:stop]):
            for one in np.unique(session[start:stop]):
                mine = np.flatnonzero(session[start:stop] == one)
                mine = mine[np.append(True, np.diff(seq[start:stop][mine]) != 0)]
                found.append(DocumentRows((mine + start - begin).tolist(), several, converted))
        else:
            mine = np.flatnonzero(first[start:stop])
            found.append(DocumentRows((mine + start - begin).tolist(), several, converted))
        if stop - begin >= PORTION or stop == len(document):
            yield Portion(order[begin:stop], found)
            begin, found = stop, []


def _apart(session: _Codes, seq: _Codes) -> bool:
    """Whether several sessions each count their own ``seq``."""
    return len(np.unique(np.stack([session, seq]), axis=1).T) > len(np.unique(seq))


def _codes(column: pa.ChunkedArray) -> _Codes:
    """A number for each distinct value."""
    return np.asarray(whole(column).dictionary_encode().indices, np.int64)


def _values(column: pa.ChunkedArray) -> list[Any]:
    if column.null_count == len(column):
        return [None] * len(column)
    return list(column.to_pylist() if column.null_count else whole(column).to_numpy(zero_copy_only=False).tolist())


def _times(column: pa.ChunkedArray) -> list[int]:
    return _values(column.cast(pa.int64()))


def _words(column: pa.ChunkedArray) -> list[Any]:
    """Values of which there are few: each stands in memory once."""
    encoded = whole(column).dictionary_encode()
    words = np.array([*encoded.dictionary.to_pylist(), None], object)
    return list(words[encoded.indices.fill_null(len(words) - 1).to_numpy()].tolist())


def _edits(column: pa.ChunkedArray) -> list[Any]:
    raw = _values(column)
    some = [row for row, text in enumerate(raw) if text is not None]
    for row, parsed in zip(some, parse_all([raw[row] for row in some]), strict=True):
        raw[row] = parsed
    return raw

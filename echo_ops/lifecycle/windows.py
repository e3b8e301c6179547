"""The windows of a table's events, compared with each other where they lie in memory, all at once.

Nearly every window shows what the one before showed and a keystroke at the caret. To find that out takes a comparison
of bytes; the windows themselves need not be copied, nor made strings, and few of them ever are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.lifecycle.edits import Edit
from echo_ops.lifecycle.rows import UNSEEN, DocumentRows, Texts, Windows
from echo_ops.lifecycle.states import ANCHOR
from echo_ops.schema.events import SHOWING
from echo_ops.schema.texts import code_points, laid_out, whole, wide

_Numbers = npt.NDArray[np.int64]
_Truths = npt.NDArray[np.bool_]

_BLANKS = np.frombuffer(b" \t", np.uint8)
_INLINE = np.arange(12)
"""Bytes of a value that Arrow's binary view holds itself; of a longer one it holds four, and its place."""


def compared(events: pa.Table, documents: list[DocumentRows]) -> Windows:
    """The windows of a table, each compared with the one before it in its document.

    What is found is what ``typing_run.keystroke`` finds where nothing is to be decided: text typed or deleted at the
    caret that could not slide, between unchanged text; or no change. Whatever is less plain, and what is not all ASCII,
    is left to the reader.

    Args:
        events: table in the columns of ``EVENTS``.
        documents: its documents.
    """
    shows = pc.is_in(events["kind"], pa.array(SHOWING)).to_numpy()
    prefix, suffix = (_Side.of(events[name], shows) for name in ("prefix", "suffix"))
    before, now, edits = _changes(events, documents, shows, prefix, suffix)
    compared_with = np.full(events.num_rows, UNSEEN)
    compared_with[now] = before
    placed: list[Edit | None] = [None] * events.num_rows
    for row, edit in zip(now.tolist(), edits, strict=True):
        placed[row] = edit
    return Windows(
        prefixes=prefix.texts(),
        suffixes=suffix.texts(),
        prefix_lengths=prefix.lengths.tolist(),
        suffix_lengths=suffix.lengths.tolist(),
        wide=(prefix.wide | suffix.wide).tolist(),
        before=compared_with.tolist(),
        edits=placed,
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """The text on one side of the carets; one entry a row."""

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int32]  # in ``data``; the last one's end as well
    lengths: _Numbers  # code points, or UNSEEN
    wide: _Truths  # not all ASCII

    @classmethod
    def of(cls, column: pa.ChunkedArray, shows: _Truths) -> _Side:
        texts = whole(column)
        lengths = code_points(texts).fill_null(UNSEEN).to_numpy()
        return cls(*laid_out(texts), np.where(shows, lengths, UNSEEN).astype(np.int64), wide(texts))

    def texts(self) -> Texts:
        return Texts(self.data.data, self.starts.tolist())

    def slices(self, starts: _Numbers, sizes: _Numbers) -> pa.Array:
        """Parts of the bytes, which are not copied."""
        places = np.minimum(starts[:, None] + _INLINE, len(self.data) - 1)
        inline = np.where(_INLINE < sizes[:, None], self.data[places], 0).astype(np.uint8)
        views = np.empty((len(starts), 4), np.int32)
        views[:, 0], views[:, 1:] = sizes, inline.view(np.int32)
        long = sizes > len(_INLINE)
        views[long, 2], views[long, 3] = 0, starts[long]  # the number of the buffer, and the place in it
        buffers = [None, pa.py_buffer(views), pa.py_buffer(self.data)]
        return pa.Array.from_buffers(pa.binary_view(), len(starts), buffers)


def _changes(
    events: pa.Table, documents: list[DocumentRows], shows: _Truths, prefix: _Side, suffix: _Side
) -> tuple[_Numbers, _Numbers, list[Edit]]:
    """The rows of two windows in a row, and the edit that leads from one to the other; those that are plain."""
    rows = np.array([row for document in documents for row in document.rows], np.int64)
    numbers = np.repeat(np.arange(len(documents)), [len(document.rows) for document in documents])
    numbers, rows = numbers[shows[rows]], rows[shows[rows]]
    caret, length = (events[name].fill_null(UNSEEN).to_numpy() for name in ("caret", "document_length"))
    ahead, behind = prefix.lengths, suffix.lengths
    plain = ~(prefix.wide | suffix.wide) & (ahead >= 0) & (behind >= 0)
    plain &= (ahead <= caret) & (caret + behind <= length)

    before, now = rows[:-1], rows[1:]
    grown = length[now] - length[before]
    # Before the caret both show ``same`` characters that stayed: of the text before an insertion, or a deletion.
    same = np.where(grown > 0, ahead[now] - grown, ahead[before] + grown)
    likely = (numbers[:-1] == numbers[1:]) & plain[before] & plain[now] & (caret[now] - caret[before] == grown)
    likely &= (behind[now] == behind[before]) & ((behind[now] >= ANCHOR) | (caret[now] + behind[now] == length[now]))
    likely &= (same >= 0) & (same <= np.where(grown > 0, ahead[before], ahead[now]))
    stayed = np.minimum(caret[before], caret[now])
    likely &= np.where(grown == 0, ahead[now] == ahead[before], (same >= ANCHOR) | (same == stayed))
    before, now, grown, same = before[likely], now[likely], grown[likely], same[likely]
    if not len(now):
        return before, now, []

    at_before, at_now = prefix.starts[before].astype(np.int64), prefix.starts[now].astype(np.int64)
    at_before += np.where(grown > 0, ahead[before] - same, 0)
    at_now += np.where(grown > 0, 0, ahead[now] - same)
    equal = pc.and_(
        pc.equal(prefix.slices(at_before, same), prefix.slices(at_now, same)),
        pc.equal(*(suffix.slices(suffix.starts[row].astype(np.int64), behind[row]) for row in (before, now))),
    )
    changed = np.where(grown > 0, at_now, at_before) + same  # where the text lies that came or went
    found = equal.to_numpy(zero_copy_only=False) & (
        (grown == 0) | ~_may_slide(prefix, suffix, before, now, grown, changed, at_before + same)
    )
    before, now, grown, changed = before[found], now[found], grown[found], changed[found]
    texts = prefix.slices(changed, np.maximum(grown, 0)).cast(pa.string()).to_pylist()
    starts = np.minimum(caret[before], caret[now]).tolist()
    return before, now, list(zip(starts, caret[before].tolist(), texts, strict=True))


def _may_slide(
    prefix: _Side, suffix: _Side, before: _Numbers, now: _Numbers, grown: _Numbers, changed: _Numbers, edge: _Numbers
) -> _Truths:
    """Whether the text that came or went is like its neighbours; or breaks a line whose blanks an editor may trim.

    Args:
        changed: where it lies in the bytes of the prefixes.
        edge: where the unchanged text before it ends, in the bytes of the prefixes.
    """
    data = prefix.data
    size = np.abs(grown)
    first, last = data[np.minimum(changed, len(data) - 1)], data[np.maximum(changed + size - 1, 0)]
    left = np.where(edge > prefix.starts[before], data[np.maximum(edge - 1, 0)], 0)
    right = np.zeros_like(left)
    some = suffix.lengths[now] > 0
    right[some] = suffix.data[suffix.starts[now[some]]]
    broken = (grown > 0) & np.isin(left, _BLANKS)
    if broken.any():
        texts = prefix.slices(changed[broken], size[broken]).cast(pa.binary())
        broken[broken] = pc.match_substring_regex(texts, "[\r\n]").to_numpy(zero_copy_only=False)
    return np.asarray((first == right) | (last == left) | broken)

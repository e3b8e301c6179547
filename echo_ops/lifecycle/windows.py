"""The windows of a table's events, compared with each other where they lie in memory, all at once.

Nearly every window shows what the one before showed and a keystroke at the caret. To find that out takes a comparison
of bytes; the windows themselves need not be copied, nor made strings, and few of them ever are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.lifecycle.columns import Portion
from echo_ops.lifecycle.rows import UNSEEN, Pieces, Stroke, Texts, Windows
from echo_ops.lifecycle.states import ANCHOR
from echo_ops.lifecycle.typing_run import NEAR, slide, strokes
from echo_ops.schema.events import SHOWING
from echo_ops.schema.texts import code_points, laid_out, whole, wide

_Numbers = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]
_Truths = npt.NDArray[np.bool_]

_INLINE = 12
"""Bytes that fit in a binary view itself."""


class TableWindows:
    """The windows of a table, as they lie in memory."""

    def __init__(self, events: pa.Table) -> None:
        """Args: events: table in the columns of ``EVENTS``."""
        self._sides = [_Side.of(whole(events[name])) for name in ("prefix", "suffix")]

    def compared(self, events: pa.Table, portion: Portion) -> Windows:
        """Those of a portion, each compared with the one before it in its document.

        What is found is what ``typing_run.keystroke`` finds, or that nothing changed. What is less plain, and texts
        that are not all ASCII, are left to the reader.

        Args:
            events: of the portion; without their windows.
            portion: which rows of the table they are.
        """
        shows = pc.is_in(events["kind"], pa.array(SHOWING)).to_numpy()
        prefix, suffix = (side.at(portion.rows, shows) for side in self._sides)
        before = [UNSEEN] * len(portion.rows)
        placed: list[Stroke | None] = [None] * len(portion.rows)
        for earlier, row, stroke in zip(*_strokes(events, portion, shows, prefix, suffix), strict=True):
            if stroke is not None:
                before[row], placed[row] = earlier, stroke
        return Windows(
            prefixes=prefix.stored(),
            suffixes=suffix.stored(),
            prefix_lengths=prefix.lengths.tolist(),
            suffix_lengths=suffix.lengths.tolist(),
            wide=(prefix.wide | suffix.wide).tolist(),
            before=before,
            strokes=placed,
        )


@dataclass(frozen=True, slots=True)
class _Side:
    """The text on one side of the carets; one entry a row."""

    data: _Bytes
    starts: _Numbers  # in ``data``
    ends: _Numbers
    lengths: _Numbers  # code points, or UNSEEN
    wide: _Truths  # not all ASCII

    @classmethod
    def of(cls, texts: pa.StringArray) -> _Side:
        data, offsets = laid_out(texts)
        data = data if len(data) >= _INLINE else np.pad(data, (0, _INLINE))  # so that there is always a byte to look at
        bounds, not_ascii = offsets.astype(np.int64), wide(texts)
        lengths = code_points(texts, not_ascii).fill_null(UNSEEN).to_numpy().astype(np.int64)
        return cls(data, bounds[:-1], bounds[1:], lengths, not_ascii)

    def at(self, rows: _Numbers, shows: _Truths) -> _Side:
        """Those of some rows, as far as they show anything."""
        lengths = np.where(shows, self.lengths[rows], UNSEEN)
        return _Side(self.data, self.starts[rows], self.ends[rows], lengths, self.wide[rows])

    def stored(self) -> Texts:
        return Texts(self.data.data, self.starts.tolist(), self.ends.tolist())

    def slices(self, starts: _Numbers, sizes: _Numbers) -> pa.Array:
        """Parts of the bytes, which are not copied: Arrow's binary view.

        A view has four numbers: how many bytes; then the first four, the number of the buffer, the place in it; or,
        where they have room for it, the bytes themselves.
        """
        views = np.zeros((len(starts), 4), np.int32)
        views[:, 0], views[:, 3] = sizes, starts
        short = np.flatnonzero(sizes <= _INLINE)
        if len(short) < len(starts):
            fours = np.ndarray((len(self.data) - 3,), "<i4", self.data.data, strides=(1,))
            views[:, 1] = fours[np.minimum(starts, len(fours) - 1)]
        if len(short):
            places = starts[short, None] + np.arange(_INLINE)
            held = np.where(
                places < (starts + sizes)[short, None], self.data[np.minimum(places, len(self.data) - 1)], 0
            )
            views[short, 1:] = held.astype(np.uint8).view(np.int32)
        buffers = [None, pa.py_buffer(views), pa.py_buffer(self.data)]
        return pa.Array.from_buffers(pa.binary_view(), len(starts), buffers)

    def pieces(self, starts: _Numbers, sizes: _Numbers) -> Pieces:
        """Parts of the bytes, which are ASCII, as text."""
        bounds = np.append(0, np.cumsum(sizes))
        together = self.data[np.repeat(starts - bounds[:-1], sizes) + np.arange(bounds[-1])]
        return Pieces(together.tobytes().decode("ascii"), bounds.tolist())


def _strokes(
    events: pa.Table, portion: Portion, shows: _Truths, prefix: _Side, suffix: _Side
) -> tuple[list[int], list[int], list[Stroke | None]]:
    """The rows of two windows in a row, and what leads from one to the other, where that is plain."""
    rows = np.array([row for document in portion.documents for row in document.rows], np.int64)
    numbers = np.repeat(np.arange(len(portion.documents)), [len(document.rows) for document in portion.documents])
    numbers, rows = numbers[shows[rows]], rows[shows[rows]]
    caret, length = (events[name].fill_null(UNSEEN).to_numpy() for name in ("caret", "document_length"))
    ahead, behind = prefix.lengths, suffix.lengths
    plain = ~(prefix.wide | suffix.wide) & (ahead >= 0) & (behind >= 0)
    plain &= (ahead <= caret) & (caret + behind <= length)

    before, now = rows[:-1], rows[1:]
    grown = length[now] - length[before]
    # Both show ``same`` characters before what came or went.
    same = np.where(grown > 0, ahead[now] - grown, ahead[before] + grown)
    likely = (numbers[:-1] == numbers[1:]) & plain[before] & plain[now] & (caret[now] - caret[before] == grown)
    likely &= (behind[now] == behind[before]) & (same >= 0) & (same <= np.where(grown > 0, ahead[before], ahead[now]))
    at = np.minimum(caret[before], caret[now])
    anchored = (same >= ANCHOR) | (same == at)
    anchored &= (behind[now] >= ANCHOR) | (caret[now] + behind[now] == length[now])
    likely &= np.where(grown == 0, ahead[now] == ahead[before], anchored)
    before, now, grown, same, at = before[likely], now[likely], grown[likely], same[likely], at[likely]
    if not len(now):
        return [], [], []

    came = grown > 0
    old = prefix.starts[before] + np.where(came, ahead[before] - same, 0)  # where the same characters lie
    new = prefix.starts[now] + np.where(came, 0, ahead[now] - same)
    equal = pc.and_(
        pc.equal(prefix.slices(old, same), prefix.slices(new, same)),
        pc.equal(*(suffix.slices(suffix.starts[row], behind[row]) for row in (before, now))),
    ).to_numpy(zero_copy_only=False)
    edge, changed = (old + same)[equal], (np.where(came, new, old) + same)[equal]
    before, now, grown, at = before[equal], now[equal], grown[equal], at[equal]

    inserted = prefix.pieces(changed, np.maximum(grown, 0))
    found = strokes(at.tolist(), caret[before].tolist(), inserted)
    size = np.abs(grown)
    left, right = edge - prefix.starts[before], behind[now]  # bytes to either side
    alike = _alike(prefix.data, changed, suffix.data, np.where((size > 0) & (right > 0), suffix.starts[now], -1))
    alike |= _alike(prefix.data, changed + size - 1, prefix.data, np.where((size > 0) & (left > 0), edge - 1, -1))
    breaks = [line.start() for line in re.finditer("[\r\n]", inserted.text)]
    alike[np.searchsorted(inserted.bounds, breaks, side="right") - 1] = True
    places = np.flatnonzero(alike)
    left, right = np.minimum(left[places], NEAR), np.minimum(right[places], NEAR)
    slide(
        found,
        places.tolist(),
        prefix.pieces(changed[places], size[places]),
        prefix.pieces(edge[places] - left, left),
        suffix.pieces(suffix.starts[now[places]], right),
    )
    return before.tolist(), now.tolist(), found


def _alike(one: _Bytes, at: _Numbers, other: _Bytes, other_at: _Numbers) -> _Truths:
    """Whether the same byte stands at two places; not where ``other_at`` is negative."""
    found = other_at >= 0
    found[found] = one[at[found]] == other[other_at[found]]
    return found

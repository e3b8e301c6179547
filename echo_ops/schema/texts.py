"""Columns of text as they lie in memory: where each text begins, and which are not all ASCII. Nothing is decoded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_BLOCK = 1 << 20
"""Bytes that are looked at together: their places take eight times as much."""


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece; ``combine_chunks`` would copy it even where it is in one."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def laid_out(texts: pa.StringArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """The bytes of all texts, and where in them each text begins and the last one ends: one entry more than texts."""
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data or b"", np.uint8), starts if len(texts) else np.zeros(1, np.int32)


def wide(texts: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Whether each text holds anything but ASCII."""
    data, starts = laid_out(texts)
    found = np.zeros(len(texts), bool)
    for first in range(int(starts[0]), int(starts[-1]), _BLOCK):
        block = data[first : min(first + _BLOCK, int(starts[-1]))]
        if block.max() > 127:
            places = np.flatnonzero(block > 127) + first
            found[np.searchsorted(starts, places, side="right") - 1] = True
    return found


def code_points(texts: pa.StringArray, not_ascii: npt.NDArray[np.bool_] | None = None) -> pa.Int32Array:
    """Code points of each text; null as it is. Those of ASCII alone are as long as their bytes, which is told sooner.

    Args:
        texts: a column.
        not_ascii: which of them are ``wide``, where that is known.
    """
    sizes, others = pc.binary_length(texts), wide(texts) if not_ascii is None else not_ascii
    if not others.any():
        return sizes
    mask = pa.array(others)
    return pc.replace_with_mask(sizes, mask, pc.utf8_length(texts.filter(mask)))

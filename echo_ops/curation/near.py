"""Near-duplicates by MinHash (Broder, 1997): signatures of context and lesson, and who resembles whom.

A signature is the MinHash of a weighted set: shingles of three tokens around the gap, and those of the lesson as
often as it takes for both to weigh the same. Without weights, two lessons at one place would count as one: the context
is ten times as long. Similarity is the share of equal places of two signatures.

Who resembles whom is looked up by bands (locality-sensitive hashing) and then checked on the whole signature. Rows are
compared with a bounded number of others of their band, so the cost grows with n log n.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

PLACES = 64
"""Values of a signature. A similarity of 0.8 is told with a standard error of 0.05."""
BANDS = 16
"""Bands of ``PLACES / BANDS`` values: rows with a similarity of 0.8 share one with probability 0.9998."""
SEED = 4
COMPARED = 8
"""Rows of a band with which one is compared: the first ones, and the one before it."""
CHUNK = 65_536
"""Pairs that are compared at once: 32 MB."""

GAP = "\0"
BEFORE, AFTER = 256, 96
"""Characters of prefix and suffix that are compared."""

TOKEN = re.compile(r"\w+|[^\w\s]")


def shingles(prefix: str, lesson: str, suffix: str) -> list[str]:
    """The weighted set of a lesson in its context, white space aside; ``GAP`` stands for the lesson."""
    context = _threes([*TOKEN.findall(prefix[-BEFORE:]), GAP, *TOKEN.findall(suffix[:AFTER])])
    learned = _threes([GAP, *TOKEN.findall(lesson), GAP, GAP])
    copies = max(1, round(len(context) / len(learned)))
    return context + [f"{copy} {shingle}" for copy in range(copies) for shingle in learned]


def _threes(tokens: list[str]) -> list[str]:
    return list(map(" ".join, zip(tokens, tokens[1:], tokens[2:], strict=False)))


def signatures(sets: Sequence[Sequence[str]]) -> list[bytes]:
    """The MinHash of each set, ``4 * PLACES`` bytes (rensa's R-MinHash, 12 µs a set)."""
    import numpy as np
    from rensa import RMinHash

    digests = RMinHash.digests_from_token_sets(sets, PLACES, SEED)
    return [row.tobytes() for row in np.array(digests, dtype="<u4").reshape(len(sets), PLACES)]


def repeats(newest_first: pa.ChunkedArray, threshold: float) -> set[int]:
    """The rows that resemble one before them; a chain of rows, each like the next, counts as one.

    Args:
        newest_first: signatures; what comes first is kept.
        threshold: similarity from which two rows are near-duplicates, 0 … 1.
    """
    import numpy as np

    rows = _matrix(newest_first)
    found: set[int] = set()
    for values in _bands(rows):
        order = np.argsort(values, kind="stable")
        ranked = values[order]
        first = np.searchsorted(ranked, ranked, side="left")
        position = np.arange(len(ranked))
        for other in [position - 1, *(first + number for number in range(COMPARED))]:
            pairs = np.flatnonzero((other >= first) & (other < position))
            found.update(order[pairs[_similar(rows, order[pairs], rows, order[other[pairs]], threshold)]].tolist())
    return found


def resembling(queries: pa.ChunkedArray, references: pa.ChunkedArray, threshold: float) -> set[int]:
    """The rows of ``queries`` that resemble one of ``references``."""
    import numpy as np

    rows, known = _matrix(queries), _matrix(references)
    found: set[int] = set()
    for values, reference_values in zip(_bands(rows), _bands(known), strict=True):
        order = np.argsort(reference_values, kind="stable")
        ranked = reference_values[order]
        first = np.searchsorted(ranked, values, side="left")
        end = np.searchsorted(ranked, values, side="right")
        for number in range(COMPARED):
            pairs = np.flatnonzero(first + number < end)
            similar = _similar(rows, pairs, known, order[first[pairs] + number], threshold)
            found.update(pairs[similar].tolist())
    return found


def _matrix(column: pa.ChunkedArray) -> Any:
    import numpy as np

    return np.frombuffer(b"".join(column.to_pylist()), dtype="<u4").reshape(len(column), PLACES)


def _bands(rows: Any) -> Iterator[Any]:
    """One number a row for each band; equal where the band's values are."""
    import numpy as np

    width = PLACES // BANDS
    weights = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], dtype="<u8")
    for band in range(BANDS):
        yield (rows[:, band * width : (band + 1) * width].astype("<u8") * weights).sum(axis=1)


def _similar(rows: Any, which: Any, others: Any, with_which: Any, threshold: float) -> Any:
    import numpy as np

    parts = [
        (rows[which[start : start + CHUNK]] == others[with_which[start : start + CHUNK]]).mean(axis=1) >= threshold
        for start in range(0, len(which), CHUNK)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, bool)

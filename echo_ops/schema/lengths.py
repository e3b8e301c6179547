"""Buckets of lengths: curation balances lessons by them, training reports by them."""

from __future__ import annotations

from bisect import bisect_left

LENGTHS = (8, 32, 128, 512)
"""Characters of a lesson at which a bucket of lengths ends: a word, the rest of a line, a few lines, a block."""


def bucket(characters: int) -> str:
    """The name of a length's bucket: ``0``, ``1-8``, ``9-32``, ``33-128``, ``129-512``, ``513-``."""
    if characters == 0:
        return "0"
    index = bisect_left(LENGTHS, characters)
    first = LENGTHS[index - 1] + 1 if index else 1
    return f"{first}-{LENGTHS[index]}" if index < len(LENGTHS) else f"{first}-"

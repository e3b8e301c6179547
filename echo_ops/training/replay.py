"""Replay: lessons from before the window, mixed in so that a model does not forget what it knew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pyarrow as pa

from echo_ops.errors import InputError


def mix(window: pa.Table, older: pa.Table, share: float, seed: int) -> pa.Table:
    """All rows of ``window``, and so many of ``older`` that these are ``share`` of the whole, or as many as there are.

    Args:
        window: the lessons to learn; EXAMPLES.
        older: the lessons of earlier days; EXAMPLES. A request that is in ``window`` too is left out.
        share: of the result, in [0, 1).
        seed: another seed chooses other rows.

    Returns:
        The rows in the order of a hash of seed and request, whatever the order in which they came.

    Raises:
        InputError: ``share`` is 1 or more, or negative.
    """
    if not 0 <= share < 1:
        raise InputError(f"replay share is {share}, wanted is 0 ≤ share < 1; set ECHO_TRAINING_REPLAY_SHARE")
    fresh = set(window["request_id"].to_pylist())
    candidates = [index for index, request in enumerate(older["request_id"].to_pylist()) if request not in fresh]
    replayed = by_hash(older.take(pa.array(candidates, pa.int64())), seed)
    wanted = round(window.num_rows * share / (1 - share))
    return by_hash(pa.concat_tables([window, replayed.slice(0, wanted)]), seed)


def choose(rows: pa.Table, limit: int, seed: int = 0) -> pa.Table:
    """``limit`` of ``rows``, or all of them, chosen and ordered by a hash of seed and request."""
    return by_hash(rows, seed).slice(0, limit)


def by_hash(rows: pa.Table, seed: int) -> pa.Table:
    """``rows`` in the order of a hash of seed and ``request_id``; a prefix of it is a fair sample."""
    ranks = [rank(seed, request) for request in rows["request_id"].to_pylist()]
    return rows.take(pa.array(sorted(range(len(ranks)), key=ranks.__getitem__), pa.int64()))


def rank(seed: int, *parts: str | int) -> int:
    """A number in [0, 2**64) that looks random and depends on nothing else."""
    return int.from_bytes(hashlib.blake2b(_key(seed, parts), digest_size=8).digest(), "big")


def uniform(seed: int, *parts: str | int) -> float:
    """A number in [0, 1) that looks random and depends on nothing else."""
    return rank(seed, *parts) / 2**64


def _key(seed: int, parts: Iterable[str | int]) -> bytes:
    return "\x00".join(str(part) for part in (seed, *parts)).encode()

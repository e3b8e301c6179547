"""No user and no silence may dominate. What stays is chosen by hash of the request, so a rerun picks the same rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from math import floor
from typing import Any

import pyarrow as pa

from echo_ops.curation.duplicates import Dropped
from echo_ops.curation.reasons import Reason


def beyond_cap(keys: pa.Table, max_per_user: int) -> Dropped:
    """What a user has beyond the cap; lessons to fill come before those of silence."""
    by_user: dict[str, list[tuple[bool, bytes, str]]] = defaultdict(list)
    for request_id, user, void in _columns(keys, "request_id", "user_id", "void"):
        by_user[user].append((void, _rank(request_id), request_id))
    return {
        request_id: Reason.USER_CAP for rows in by_user.values() for _, _, request_id in sorted(rows)[max_per_user:]
    }


def beyond_void_share(keys: pa.Table, split: Mapping[str, str], void_share: float) -> Dropped:
    """Lessons of silence beyond their share, in each split by itself, so that both keep the same mix.

    Args:
        keys: columns ``request_id`` and ``void``.
        split: request_id → split.
        void_share: the share that silence may have of what is kept, 0 … 1.
    """
    voids: dict[str, list[tuple[bytes, str]]] = defaultdict(list)
    fills: dict[str, int] = defaultdict(int)
    for request_id, void in _columns(keys, "request_id", "void"):
        if void:
            voids[split[request_id]].append((_rank(request_id), request_id))
        else:
            fills[split[request_id]] += 1
    dropped: Dropped = {}
    for name, rows in voids.items():
        # v / (v + f) ≤ s  ⇔  v ≤ f·s / (1 − s); the small term keeps a share that is met exactly
        limit = len(rows) if void_share >= 1 else floor(fills[name] * void_share / (1 - void_share) + 1e-9)
        dropped |= {request_id: Reason.VOID_SHARE for _, request_id in sorted(rows)[limit:]}
    return dropped


def _rank(request_id: str) -> bytes:
    return blake2b(request_id.encode(), digest_size=8, key=b"echo-ops/balance").digest()


def _columns(keys: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(keys[name].to_pylist() for name in names), strict=True)

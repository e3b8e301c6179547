"""No user, length or silence may dominate. What stays is chosen by hash of the request: a rerun picks the same rows."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from hashlib import blake2b
from math import floor
from typing import Any

import pyarrow as pa

from echo_ops.curation.duplicates import Dropped
from echo_ops.curation.reasons import Reason
from echo_ops.schema.lengths import LENGTHS
from echo_ops.settings import Curation


def beyond_cap(keys: pa.Table, column: str, limit: int, reason: Reason) -> Dropped:
    """What a user or a repository has beyond the cap; lessons to fill come before those of silence.

    Args:
        keys: columns ``request_id``, ``lesson_characters`` and ``column``; rows whose ``column`` is null have no cap.
        column: ``user_id`` or ``repository``.
        limit: lessons at most.
        reason: what it is dropped for.
    """
    groups: dict[str, list[tuple[bool, bytes, str]]] = defaultdict(list)
    for request_id, group, characters in _columns(keys, "request_id", column, "lesson_characters"):
        if group is not None:
            groups[group].append((not characters, _rank(request_id), request_id))
    return {request_id: reason for rows in groups.values() for _, _, request_id in sorted(rows)[limit:]}


def beyond_shares(keys: pa.Table, settings: Curation) -> Dropped:
    """Lessons to fill of a length, then of a language, beyond the share of it; ``balanced_from`` of each stay.

    Args:
        keys: columns ``request_id``, ``lesson_characters``, ``language``.
        settings: ``length_share``, ``language_share``, ``balanced_from``.
    """
    rows = [row for row in _columns(keys, "request_id", "lesson_characters", "language") if row[1]]
    lengths = {request_id: bisect_left(LENGTHS, characters) for request_id, characters, _ in rows}
    dropped = _beyond_share(lengths, settings.length_share, settings.balanced_from, Reason.LENGTH_SHARE)
    languages = {request_id: language for request_id, _, language in rows if request_id not in dropped}
    return dropped | _beyond_share(languages, settings.language_share, settings.balanced_from, Reason.LANGUAGE_SHARE)


def _beyond_share(group_of: Mapping[str, Hashable], share: float, floor_rows: int, reason: Reason) -> Dropped:
    """What the groups have beyond a share of what is kept.

    The largest equal limit for all groups at which none has more than the share; where there are too few groups for
    any limit to do that, ``floor_rows`` is it.
    """
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for request_id, group in group_of.items():
        groups[group].append(request_id)
    largest = max(map(len, groups.values()), default=0)
    low, high = min(floor_rows, largest), largest
    while low < high:
        limit = (low + high + 1) // 2
        # limit ≤ share · Σ min(size, limit): both sides grow, the right one ever more slowly
        if limit <= share * sum(min(len(rows), limit) for rows in groups.values()) + 1e-9:
            low = limit
        else:
            high = limit - 1
    return {request_id: reason for rows in groups.values() for request_id in sorted(rows, key=_rank)[low:]}


def beyond_void_share(keys: pa.Table, split: Mapping[str, str], void_share: float) -> Dropped:
    """Lessons of silence beyond their share, in each split by itself, so that both keep the same mix.

    Args:
        keys: columns ``request_id`` and ``lesson_characters``.
        split: request_id → split.
        void_share: the share that silence may have of what is kept, 0 … 1.
    """
    voids: dict[str, list[tuple[bytes, str]]] = defaultdict(list)
    fills: dict[str, int] = defaultdict(int)
    for request_id, characters in _columns(keys, "request_id", "lesson_characters"):
        if characters:
            fills[split[request_id]] += 1
        else:
            voids[split[request_id]].append((_rank(request_id), request_id))
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

"""One commit counts once, and so does one lesson. Decided on keys, which hold hashes and no text."""

from __future__ import annotations

from hashlib import blake2b

import pyarrow as pa

from echo_ops.curation.reasons import Reason

Dropped = dict[str, Reason]
"""request_id → why."""


def commit_key(document_id: str, prefix: str, committed: str, suffix: str) -> str:
    """Equal for requests of one document whose gaps ended with the same text at the same place.

    A user who types through a proposal opens a request with each key; all of them end in one commit. The text before
    the end of the gap is the same for all, wherever each began. Commits of nothing are kept apart from the others: a
    request at the end of what was just typed, where nothing more came, is another lesson.
    """
    return _digest(document_id, "" if committed else "void", (prefix[-256:] + committed)[-256:], suffix[:64])


def content_key(language: str | None, prefix: str, lesson: str, suffix: str) -> str:
    """Equal for the same lesson in the same context, white space aside."""
    parts = (prefix[-512:], lesson, suffix[:128])
    return _digest(language or "", *(" ".join(part.split()) for part in parts))


def overlapping(keys: pa.Table) -> Dropped:
    """All but the first request of each commit: the first one holds the others' text."""
    return _repeated(keys, "commit_key", Reason.OVERLAP, newest=False)


def repeated(keys: pa.Table) -> Dropped:
    """All but the newest request of each content: habits change."""
    return _repeated(keys, "content_key", Reason.DUPLICATE, newest=True)


def _repeated(keys: pa.Table, column: str, reason: Reason, newest: bool) -> Dropped:
    order = "descending" if newest else "ascending"
    ordered = keys.sort_by([("requested_at", order), ("request_id", order)])
    seen: set[str] = set()
    dropped: Dropped = {}
    for request_id, key in zip(ordered["request_id"].to_pylist(), ordered[column].to_pylist(), strict=True):
        if key in seen:
            dropped[request_id] = reason
        seen.add(key)
    return dropped


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()

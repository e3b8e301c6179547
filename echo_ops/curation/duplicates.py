"""One commit counts once, and so does one lesson. Decided on scores, which hold hashes and no text."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.curation import near
from echo_ops.curation.reasons import Reason
from echo_ops.settings import Curation

Dropped = dict[str, Reason]
"""request_id → why."""


def commit_key(document_id: str, prefix: str, committed: str, lesson: str, suffix: str) -> str:
    """Equal for requests of one document whose lessons end on the same line of the same commit.

    A user who types through a proposal opens a request with each key; all of them end in one commit. The text before
    the end of the gap is the same for all, wherever each began. But somebody who writes on for twenty lines without a
    pause teaches twenty lines: so what counts once is the line on which a lesson ends, not the whole commit. Commits
    of nothing are kept apart from the others: a request at the end of what was just typed, where nothing more came,
    is another lesson.

    Args:
        committed: what the user left in the gap.
        lesson: a prefix of it; empty for silence, which counts as the whole of it.
    """
    end = committed.find("\n", max(len(lesson) - 1, 0)) if lesson else -1
    line = committed if end < 0 else committed[:end]
    return _digest(document_id, "" if committed else "void", (prefix[-256:] + line)[-256:], suffix[:64])


def content_key(language: str | None, prefix: str, lesson: str, suffix: str) -> str:
    """Equal for the same lesson in the same context, white space aside."""
    parts = (prefix[-512:], lesson, suffix[:128])
    return _digest(language or "", *(" ".join(part.split()) for part in parts))


def overlapping(scores: pa.Table) -> Dropped:
    """All but the first request of each line of a commit: it was asked for all of it, the others for its rest."""
    return _all_but_first(_by_time(scores, "ascending"), "commit_key", Reason.OVERLAP)


def repeated(scores: pa.Table, settings: Curation) -> Dropped:
    """All but the newest request of each content, exactly the same or nearly: habits change.

    Args:
        scores: columns ``request_id``, ``requested_at``, ``content_key``, ``signature``; of a day, or of many.
        settings: ``near_duplicate``.
    """
    newest_first = _by_time(scores, "descending")
    dropped = _all_but_first(newest_first, "content_key", Reason.DUPLICATE)
    left = without(newest_first, dropped)
    return dropped | _picked(left, near.repeats, settings, Reason.NEAR_DUPLICATE)


def without(scores: pa.Table, dropped: Dropped) -> pa.Table:
    """The rows whose ``request_id`` is not among the dropped."""
    return scores.filter(pc.invert(pc.is_in(scores["request_id"], value_set=pa.array(list(dropped), pa.string()))))


def contaminated(train: pa.Table, evaluation: pa.Table, settings: Curation) -> Dropped:
    """Rows to learn from that are the same as one to evaluate on, or nearly.

    Args:
        train: columns ``request_id``, ``content_key``, ``signature``.
        evaluation: the same columns, of the same day or window.
        settings: ``near_duplicate``.
    """
    same = train.filter(pc.is_in(train["content_key"], value_set=evaluation["content_key"].combine_chunks()))
    dropped = dict.fromkeys(same["request_id"].to_pylist(), Reason.CONTAMINATED)

    def resembling(signatures: pa.ChunkedArray, threshold: float) -> set[int]:
        return near.resembling(signatures, evaluation["signature"], threshold)

    return dropped | _picked(train, resembling, settings, Reason.CONTAMINATED)


def _by_time(scores: pa.Table, order: str) -> pa.Table:
    return scores.sort_by([("requested_at", order), ("request_id", order)])


def _all_but_first(ordered: pa.Table, column: str, reason: Reason) -> Dropped:
    seen: set[str] = set()
    dropped: Dropped = {}
    for request_id, key in zip(ordered["request_id"].to_pylist(), ordered[column].to_pylist(), strict=True):
        if key in seen:
            dropped[request_id] = reason
        seen.add(key)
    return dropped


def _picked(
    rows: pa.Table, pick: Callable[[pa.ChunkedArray, float], set[int]], settings: Curation, reason: Reason
) -> Dropped:
    """The rows whose signatures are picked; none where near-duplicates are not looked for."""
    if settings.near_duplicate is None:
        return {}
    ids = rows["request_id"].to_pylist()
    return {ids[number]: reason for number in sorted(pick(rows["signature"], settings.near_duplicate))}


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()

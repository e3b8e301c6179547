"""A day in numbers, small enough to be kept for ever: what the days after it are compared with.

A measure is a share (``accepted``), a mix (``language``) or an amount (``rows``). All are counts, so that shards and
their order do not matter and a rerun gives the same rows.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.quality.profile import PROFILES, Name
from echo_ops.schema.measures import MEASURES

CONTEXT = (0, 100, 250, 500, 1000, 2000, 4000)
TEXT = (0, 1, 8, 32, 128, 512)

MIXES: dict[Name, dict[str, tuple[int, ...] | None]] = {
    "events": {"kind": None},
    "lifecycles": {
        "language": None,
        "close_reason": None,
        "prefix_length": CONTEXT,
        "suffix_length": CONTEXT,
        "proposal_length": TEXT,
        "committed_length": TEXT,
    },
    "examples": {"language": None, "lesson_length": TEXT},
}
"""Columns of a profile whose mix is counted: words, or numbers from each bound up to the next."""

SHARES: dict[Name, tuple[str, ...]] = {
    "events": ("shown", "request", "accepted", "of_user_without_accept"),
    "lifecycles": (
        "shown",
        "accepted",
        "void",
        "without_commit",
        "ambiguous",
        "events_lost",
    ),
    "examples": ("silence",),
}
"""Columns of truths whose share is counted."""


SEEN = 10
"""Shown proposals from which a user's acceptance is asked for: of those who accept a quarter, 6 % accept none of 10."""


def whole_day(name: Name, profile: pa.Table, min_shown: int) -> pa.Table:
    """A day's profile, and the truths that take the whole day to know.

    Args:
        name: which table.
        profile: the shards put together, in any order.
        min_shown: shown proposals below which ``accepted_of_many`` is null.
    """
    columns = {column: profile[column] for column in profile.column_names}
    if "user" in columns:
        counts = pc.value_counts(columns["user"])
        # Of several that are busiest the one with the smallest hash, so that the order of rows does not matter.
        ranked = sorted((-count["counts"].as_py(), count["values"].as_py()) for count in counts)
        busiest = pa.scalar(ranked[0][1] if ranked else None, pa.int64())
        columns["of_busiest_user"] = pc.equal(columns["user"], busiest)
    if name == "events" and {"user", "shown", "accepted"} <= columns.keys():
        shown, accepted = columns["shown"], columns["accepted"]
        many = (pc.sum(shown).as_py() or 0) >= min_shown
        columns["accepted_of_many"] = accepted if many else pa.nulls(profile.num_rows, pa.bool_())
        users = pa.table({"user": columns["user"], "accepted": accepted.cast(pa.int8())}).group_by("user")
        counted = users.aggregate([("accepted", "count"), ("accepted", "sum")])
        never = pc.and_(pc.greater_equal(counted["accepted_count"], SEEN), pc.equal(counted["accepted_sum"], 0))
        without = pc.is_in(columns["user"], value_set=counted.filter(never)["user"].combine_chunks())
        columns["of_user_without_accept"] = pc.if_else(shown, without, None)
    if name == "examples" and {"document", "split"} <= columns.keys():
        sides = pa.table({"document": columns["document"], "split": columns["split"].cast(pa.string())})
        counted = sides.group_by("document").aggregate([("split", "count_distinct")])
        both = counted.filter(pc.greater(counted["split_count_distinct"], 1))["document"]
        columns["in_both_splits"] = pc.is_in(columns["document"], value_set=both.combine_chunks())
    return pa.table(columns)


def measure(name: Name, profile: pa.Table) -> pa.Table:
    """The measures of one table of one day, as MEASURES.

    Args:
        name: which table.
        profile: what ``whole_day`` gave; one of another version gives no measures.
    """
    if not set(PROFILES[name].names) <= set(profile.column_names):
        return MEASURES.empty_table()
    rows: list[tuple[str, str, int, int]] = [("rows", "", profile.num_rows, 1)]
    rows.append(("users", "", len(pc.unique(profile["user"])), 1))
    for column in SHARES[name]:
        known = profile.num_rows - profile[column].null_count
        rows.append((column, "", pc.sum(profile[column]).as_py() or 0, known))
    for column, bounds in MIXES[name].items():
        counts = _words(profile[column]) if bounds is None else _ranges(profile[column], bounds)
        total = sum(counts.values())
        rows += [(column, bucket, count, total) for bucket, count in counts.items()]
    columns = [pa.array([name] * len(rows)), *(pa.array(list(column)) for column in zip(*rows, strict=True))]
    return pa.Table.from_arrays(columns, names=MEASURES.names).cast(MEASURES)


def labels(bounds: tuple[int, ...]) -> list[str]:
    """What the buckets are called: ``100–249``, ``4000+``."""
    ends = [f"–{following - 1}" if following - start > 1 else "" for start, following in pairwise(bounds)]
    return [f"{start}{end}" for start, end in zip(bounds, [*ends, "+"], strict=True)]


def _words(column: pa.ChunkedArray) -> dict[str, int]:
    counted = pc.value_counts(column.drop_null().cast(pa.string())).to_pylist()
    return dict(sorted((count["values"], count["counts"]) for count in counted))


def _ranges(column: pa.ChunkedArray, bounds: tuple[int, ...]) -> dict[str, int]:
    places = np.searchsorted(bounds, column.drop_null().to_numpy(), side="right") - 1
    counts = np.bincount(np.maximum(places, 0), minlength=len(bounds))
    return {label: int(count) for label, count in zip(labels(bounds), counts, strict=True)}

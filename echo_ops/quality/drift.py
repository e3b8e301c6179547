"""A day beside the trailing week: how far its measures lie from those of the published days before it.

A share is compared with the week's median, and may differ by a fixed tolerance or by so many of the week's own
deviations (median absolute deviation, as 1.4826 MAD, the robust stand-in for a standard deviation), whichever is
more. The distance of a mix is the total variation: the share of rows that would have to lie elsewhere; it is compared
with what each day of the week differed from the others. An amount may leave the week's range by a factor, so that a
week with its weekend allows the next one.

The rows of one user hang together, so chance is counted in users: shares and mixes may differ by another
0.5 / sqrt(users), the most that a standard error among so many independent users can be.

A day is compared with days before it only, so that a rerun or a backfill gives the same verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import Literal

import pyarrow as pa

from echo_ops.quality.measures import MIXES, SHARES
from echo_ops.quality.profile import UNKNOWN, Name
from echo_ops.quality.report import Mix, Trend
from echo_ops.settings import Quality

VANISHED = 0.1
"""What has less than this part of its usual share has vanished or collapsed."""

ENOUGH = 20
"""Events of a kind that were to be expected, so that none of them is no chance."""

Counts = Mapping[str, tuple[int, int]]
"""Bucket → count and total; an amount and a share have one bucket, named by the empty string."""

Kind = Literal["amount", "share", "collapse", "mix", "vanished"]

RISES = ("without_commit", "ambiguous", "events_lost", "of_user_without_accept", "silence")
"""Shares that are bad only when they rise."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure beside the week: where it lies and where it may lie. Read by ``suites`` and ``validate``."""

    measure: str
    kind: Kind
    value: float
    low: float | None
    high: float | None
    usual: str  # what the week was like, in words

    @property
    def column(self) -> str:
        """What it is called in the row of the day."""
        return f"{self.measure}_{self.kind}"


class Week:
    """The measures of some days of one table: day → measure → bucket → count and total."""

    def __init__(self, by_day: dict[str, dict[str, dict[str, tuple[int, int]]]]) -> None:
        self.by_day = by_day
        self.days = sorted(by_day)

    @classmethod
    def read(cls, measures: pa.Table, name: Name) -> Week:
        """Those of a table, from rows of MEASURES with a column ``day``."""
        by_day: dict[str, dict[str, dict[str, tuple[int, int]]]] = {}
        for row in measures.to_pylist():
            if row["table"] == name:
                of_day = by_day.setdefault(str(row["day"]), {})
                of_day.setdefault(row["measure"], {})[row["bucket"]] = (row["count"], row["total"])
        return cls(by_day)

    def with_users(self, least: int) -> Week:
        """The days on which there were at least so many users."""
        return Week({day: one for day, one in self.by_day.items() if one["users"][""][0] >= least})

    def of(self, measure: str) -> dict[str, dict[str, tuple[int, int]]]:
        """Day → bucket → count and total, oldest first; days without the measure are left out."""
        return {day: self.by_day[day][measure] for day in self.days if measure in self.by_day[day]}


def compare(name: Name, today: Week, week: Week, q: Quality) -> tuple[list[Comparison], list[str]]:
    """All comparisons of a table that can be made, and why others cannot.

    Args:
        name: which table.
        today: one day.
        week: the published days of the week before it.
        q: how much may differ.
    """
    week = week.with_users(q.drift_users)
    if len(week.days) < q.drift_days:
        said = f"({len(week.days)} of its days are published and have {q.drift_users} users, {q.drift_days} are needed)"
        return [], [f"how the day lies beside the trailing week {said}"]
    found: list[Comparison | None] = []
    for measure in ("rows", "users"):
        found.append(_amount(measure, _one(today, measure), week.of(measure), q))
    if not today.with_users(q.drift_users).days:
        said = f"fewer than {q.drift_users} users, whose day says little"
        return [one for one in found if one], [f"shares and mixes beside the trailing week ({said})"]
    chance = 0.5 / sqrt(_one(today, "users")[0])
    for measure in SHARES[name]:
        found += _share(measure, _one(today, measure), week.of(measure), q, chance)
    for measure in MIXES[name]:
        (now,) = today.of(measure).values() if today.of(measure) else ({},)
        found += [_mix(measure, now, week.of(measure), q, chance), _vanished(measure, now, week.of(measure), q)]
    return [comparison for comparison in found if comparison is not None], []


def trends(name: Name, today: Week, week: Week) -> tuple[Trend, ...]:
    """The amounts and shares day by day, today last, for a chart."""
    drawn = []
    for measure in ("rows", "users", *SHARES[name]):
        days = {**week.of(measure), **today.of(measure)}
        points = tuple((day, count / total) for day, one in days.items() for count, total in one.values() if total)
        drawn.append(Trend(measure, measure in SHARES[name], points))
    return tuple(drawn)


def mixes(name: Name, today: Week, week: Week) -> tuple[Mix, ...]:
    """Each mix now and in the week, for a chart."""
    drawn = []
    for measure in MIXES[name]:
        now = _shares([*today.of(measure).values()])
        usual = _shares([*week.of(measure).values()])
        buckets = list(dict.fromkeys([*now, *usual]))
        drawn.append(Mix(measure, tuple((bucket, now.get(bucket, 0.0), usual.get(bucket)) for bucket in buckets)))
    return tuple(drawn)


def _one(today: Week, measure: str) -> tuple[int, int]:
    for one in today.of(measure).values():
        return one[""]
    return 0, 0


def _amount(measure: str, now: tuple[int, int], week: Mapping[str, Counts], q: Quality) -> Comparison | None:
    values = [one[""][0] for one in week.values()]
    if len(values) < q.drift_days or (measure == "rows" and median(values) < q.drift_rows):
        return None
    low, high = min(values) / q.drift_factor, max(values) * q.drift_factor
    return Comparison(measure, "amount", now[0], round(low, 1), round(high, 1), f"{min(values):,} to {max(values):,}")


def _share(
    measure: str, now: tuple[int, int], week: Mapping[str, Counts], q: Quality, chance: float
) -> list[Comparison]:
    values = [count / total for one in week.values() for count, total in one.values() if total >= q.drift_rows]
    if len(values) < q.drift_days or now[1] < q.drift_rows:
        return []
    value, usual = now[0] / now[1], median(values)
    width = max(q.drift_share, q.drift_deviations * _deviation(values)) + chance
    low = None if measure in RISES else round(max(0.0, usual - width), 4)
    found = [Comparison(measure, "share", value, low, round(min(1.0, usual + width), 4), f"{usual:.1%}")]
    if measure == "accepted" and now[1] >= q.min_shown:
        found.append(Comparison(measure, "collapse", value, round(VANISHED * usual, 4), None, f"{usual:.1%}"))
    return found


def _mix(measure: str, now: Counts, week: Mapping[str, Counts], q: Quality, chance: float) -> Comparison | None:
    days = [one for one in week.values() if _rows(one) >= q.drift_rows]
    if len(days) < q.drift_days or _rows(now) < q.drift_rows:
        return None
    apart = [_distance(one, days[:place] + days[place + 1 :]) for place, one in enumerate(days)]
    high = min(1.0, max(q.drift_mix, median(apart) + q.drift_deviations * _deviation(apart)) + chance)
    return Comparison(measure, "mix", _distance(now, days), None, round(high, 4), f"at most {max(apart):.1%}")


def _vanished(measure: str, now: Counts, week: Mapping[str, Counts], q: Quality) -> Comparison | None:
    """The share that the vanished buckets of a mix used to have; only words vanish, ranges move."""
    days = [one for one in week.values() if _rows(one) >= q.drift_rows]
    if measure not in ("kind", "language") or len(days) < q.drift_days or _rows(now) < q.drift_rows:
        return None
    shares = [_shares([one]) for one in days]
    present = _shares([now])
    gone = {}
    for bucket in sorted({bucket for one in shares for bucket in one} - {UNKNOWN}):
        usual = median(one.get(bucket, 0.0) for one in shares)
        enough = usual >= q.drift_vanished if measure == "language" else usual * _rows(now) >= ENOUGH
        if enough and present.get(bucket, 0.0) < VANISHED * usual:
            gone[bucket] = usual
    usually = ", ".join(f"{bucket} {share:.1%}" for bucket, share in gone.items()) or "all are there"
    return Comparison(measure, "vanished", sum(gone.values()), None, 0.0, usually)


def _deviation(values: Sequence[float]) -> float:
    middle = median(values)
    return 1.4826 * median(abs(value - middle) for value in values)


def _distance(now: Counts, days: Sequence[Counts]) -> float:
    """Total variation between a day and others: half the sum of the differences of their shares."""
    here, there = _shares([now]), _shares(days)
    return sum(abs(here.get(bucket, 0.0) - there.get(bucket, 0.0)) for bucket in here.keys() | there.keys()) / 2


def _shares(days: Sequence[Counts]) -> dict[str, float]:
    """Bucket → its mean share over some days: a busy day counts no more than a quiet one."""
    mean: dict[str, float] = {}
    for one in days:
        for bucket, (count, total) in one.items():
            mean[bucket] = mean.get(bucket, 0.0) + (count / total if total else 0.0) / len(days)
    return mean


def _rows(mix: Counts) -> int:
    return max((total for _, total in mix.values()), default=0)

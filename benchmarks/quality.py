"""What the checks of a day cost, and how often good days raise a warning.

Prints events profiled a second on one core against a limit of a million; seconds and memory of the expectations of a
million events; and the share of simulated good days, each beside the week before it, on which anything but an info
failed.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.quality.profile import Name, profile
from echo_ops.quality.validate import validate
from echo_ops.settings import Quality
from echo_ops.simulate.simulate import simulate

FIRST = date(2026, 11, 2)
LIMIT = 1_000_000
GRACE = timedelta(hours=3)


def good_days(users: int, days: int, seed: int) -> list[pa.Table]:
    """Events of each day as they stand in the database, each once."""
    events = pa.concat_tables([session.events for session in simulate(days=days, users=users, seed=seed, start=FIRST)])
    _, first = np.unique(events["event_id"].to_numpy(zero_copy_only=False), return_index=True)
    events = events.take(pa.array(np.sort(first)))
    starts = [datetime.combine(FIRST + timedelta(days=number), clock(), UTC) for number in range(days)]
    at = events["received_at"]
    return [
        events.filter(pc.and_(pc.greater_equal(at, start), pc.less(at, start + timedelta(days=1) + GRACE)))
        for start in starts
    ]


def failures(days: list[pa.Table]) -> Iterator[tuple[bool, Counter[str]]]:
    """Of each day: whether it had a week beside it, and what failed."""
    week: list[pa.Table] = []
    for number, events in enumerate(days):
        day = FIRST + timedelta(days=number)
        start = datetime.combine(day, clock(), UTC)
        received = (start, start + timedelta(days=1))
        lifecycles = reconstruct(events, policy="default", received=received, horizon=received[1] + GRACE)
        tables: dict[Name, pa.Table] = {"events": events, "lifecycles": lifecycles}
        failed: Counter[str] = Counter()
        before = pa.concat_tables(week[-14:]) if week else None
        for name, table in tables.items():
            report = validate(name, profile(name, table), Quality(), day=day.isoformat(), docs=None, week=before)
            failed.update(f"{name}.{one.column}" for one in report.failures if one.severity != "info")
            week.append(report.measures.append_column("day", pa.array([day] * report.measures.num_rows)))
        yield number >= Quality().drift_days, failed


def cost(events: pa.Table, rows: int) -> None:
    pa.set_cpu_count(1)
    table = pa.concat_tables([events] * (LIMIT // 8 // events.num_rows + 1)).combine_chunks()
    profile("events", table)
    began = time.process_time()
    made = profile("events", table)
    rate = table.num_rows / (time.process_time() - began)
    size = table.nbytes / table.num_rows
    print(
        f"profile: {rate:,.0f} events/s a core at {size:.0f} B an event, {rate / LIMIT:.1f} of the limit of {LIMIT:,}"
    )
    large = pa.concat_tables([made] * (rows // made.num_rows + 1)).slice(0, rows)
    validate("events", made, Quality(), day=FIRST.isoformat(), docs=None)  # imports
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    validate("events", large, Quality(), day=FIRST.isoformat(), docs=None)
    seconds, grown = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"expectations: {seconds:.1f} s for {rows:,} events, peak {grown / 2**10:,.0f} MiB higher")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[8, 12, 24], help="programmers a day")
    parser.add_argument("--seeds", type=int, default=3, help="runs for each number of users")
    parser.add_argument("--days", type=int, default=10, help="days of each run")
    parser.add_argument("--rows", type=int, default=LIMIT, help="events of the large day")
    given = parser.parse_args()
    cost(good_days(users=4, days=1, seed=0)[0], given.rows)
    for users in given.users:
        days = alarms = 0
        why: Counter[str] = Counter()
        for seed in range(given.seeds):
            for beside_a_week, failed in failures(good_days(users, given.days, seed)):
                if beside_a_week:
                    days, alarms = days + 1, alarms + bool(failed)
                    why += failed
        print(f"false alarms, {users} users: {alarms} of {days} good days beside a week {dict(why) or ''}", flush=True)


if __name__ == "__main__":
    main()

"""How fast a day is harvested, and in how much memory, against the fastest that Postgres hands it out.

    .venv/bin/python benchmarks/harvest.py [--events N] [--series] [--rounds N] [--quick]

Starts a Postgres of its own in /var/tmp, fills it with days of events (``day.py``), and measures in one run, in turn:

- the limit: COPY of the same columns, in binary, thrown away by psql;
- read: the same events into Arrow batches;
- read + reconstruct + write: ``extract``, the whole first step of a harvest, with one and with two processes;
- reconstruct alone, by the number of events that a document has.

Each number is the median of ``--rounds`` runs; a ratio is of medians of the same run, so that a busy machine shows in
both. ``--series`` adds 0.25 and 4 million events: 10 GB of disk, and most of an hour.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg2
from day import Changes, fill
from measures import Measured, measure
from rich.console import Console
from rich.table import Table

from echo_ops.events.local_server import remove, serve
from echo_ops.events.migrate import migrate

SERIES = (250_000, 1_000_000, 4_000_000)
DOCUMENTS = (10, 40, 1000, 5000)

READ_BAR, ONE_BAR, TWO_BAR = 1.3, 1.8, 1.3  # times the limit
RATE_BAR = 150_000  # events a second and core
LONG_BAR = 2 / 3  # of the rate at 10 events a document, at 1,000
MEMORY_BAR = 1000  # MB
LINEAR_BAR = 1.25  # cost of an event in the largest day, in times of the smallest

console = Console(width=120)


@dataclass(frozen=True, slots=True)
class Day:
    """A day in a database of its own, and all that was measured of it."""

    url: str
    changes: Changes
    events: int
    runs: dict[str, list[Measured]]

    def seconds(self, name: str) -> float:
        """Median of the runs."""
        return median(run.seconds for run in self.runs[name])

    def ratio(self, name: str) -> float:
        """Against the limit."""
        return self.seconds(name) / self.seconds("limit")

    def peak(self, name: str, what: str) -> float:
        """MB at most, in any run."""
        return max(getattr(run, what) for run in self.runs[name])


STEPS: tuple[tuple[str, str, dict[str, Any], float | None], ...] = (
    ("limit", "limit", {}, None),
    ("read", "read", {}, READ_BAR),
    ("one", "extract", {"processes": 1}, ONE_BAR),
    ("two", "extract", {"processes": 2}, TWO_BAR),
)
TITLES = {
    "limit": "COPY binary, thrown away",
    "read": "read into Arrow",
    "one": "read + reconstruct + write, 1 process",
    "two": "read + reconstruct + write, 2 processes",
}


def main() -> None:
    """Fill, measure, print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=1_000_000, help="events of the day")
    arguments.add_argument("--series", action="store_true", help="0.25, 1 and 4 million events, from snapshots")
    arguments.add_argument("--rounds", type=int, default=5, help="runs of each measure, in turn")
    arguments.add_argument("--quick", action="store_true", help="4,000 events, one round: only whether it works")
    given = arguments.parse_args()
    events, rounds = (4000, 1) if given.quick else (given.events, given.rounds)
    wanted: list[tuple[Changes, int]] = [("snapshots", events), ("edits", events)]
    if given.series:
        wanted = [("snapshots", size) for size in SERIES]
    reconstruction(rounds, 2000 if given.quick else 40_000)
    with server() as url:
        days = [make(url, changes, size) for changes, size in wanted]
        for number in range(rounds):
            for day in days:
                for step, name, options, _ in STEPS:
                    run = measure(name, url=day.url, **options)
                    day.runs.setdefault(step, []).append(run)
                    say(
                        f"round {number + 1} of {rounds}: {day.events:,} events from {day.changes}, {TITLES[step]}: "
                        f"{run.seconds:.1f} s, {run.largest_mb:,.0f} MB"
                    )
    for day in days:
        report(day)
    if given.series:
        linear(days)


@contextmanager
def server() -> Iterator[str]:
    """A Postgres of our own, gone afterwards, also when we are told to end."""
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(143))
    home = Path(tempfile.mkdtemp(prefix="echo-ops-benchmark-", dir="/var/tmp"))
    home.chmod(0o711)  # the account that Postgres runs as must get through
    try:
        with serve(home) as url:
            yield url
    finally:
        remove(home)
        shutil.rmtree(home, ignore_errors=True)


def make(url: str, changes: Changes, events: int) -> Day:
    """A database with a day in it."""
    name = f"{changes}_{events}"
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
    mine = f"{url.rpartition('/')[0]}/{name}"
    migrate(mine)
    say(f"making {events:,} events from {changes}")
    count = fill(mine, changes, events)
    return Day(mine, changes, count, {})


def reconstruction(rounds: int, events: int) -> None:
    """Reconstruct alone, from snapshots and from edits."""
    cases = [(changes, each) for changes in ("snapshots", "edits") for each in DOCUMENTS]
    rates: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
    for number in range(rounds):
        for changes, each in cases:
            say(f"round {number + 1} of {rounds}: reconstruct {each:,} events a document, from {changes}")
            run = measure("reconstruct", changes=changes, each=each, events=events)
            rates[changes, each].append(run.events / run.seconds)
    table = Table("reconstruct alone", "events a document", "events/s a core", "bar", "", title_justify="left")
    for changes, each in cases:
        rate, shortest = median(rates[changes, each]), median(rates[changes, DOCUMENTS[0]])
        bar = RATE_BAR if each < 1000 else LONG_BAR * shortest
        table.add_row(f"from {changes}", f"{each:,}", f"{rate:,.0f}", f"≥ {bar:,.0f}", met(rate >= bar))
    console.print(table)


def report(day: Day) -> None:
    """One day's numbers."""
    columns = ("seconds", "events/s", "× limit", "bar", "", "largest process", "all together")
    table = Table(f"{day.events:,} events from {day.changes}", *columns)
    for step, _, _, bar in STEPS:
        seconds, ratio = day.seconds(step), day.ratio(step)
        spread = max(run.seconds for run in day.runs[step]) - min(run.seconds for run in day.runs[step])
        judged = bar is not None and day.changes == "snapshots"
        table.add_row(
            TITLES[step],
            f"{seconds:.1f} ± {spread / 2:.1f}",
            f"{day.events / seconds:,.0f}",
            f"{ratio:.2f}",
            f"≤ {bar}" if judged else "",
            met(ratio <= bar) if judged and bar is not None else "",
            f"{day.peak(step, 'largest_mb'):,.0f} MB",
            f"{day.peak(step, 'together_mb'):,.0f} MB",
        )
    console.print(table)


def linear(days: list[Day]) -> None:
    """Whether the largest day costs no more by the event, nor more memory."""
    table = Table("from the smallest day to the largest", "µs an event", "×", "bar", "")
    for step in ("limit", "read", "one", "two"):
        costs = [day.seconds(step) / day.events * 1e6 for day in days]
        growth = costs[-1] / costs[0]
        each = " · ".join(f"{cost:.1f}" for cost in costs)
        table.add_row(TITLES[step], each, f"{growth:.2f}", f"≤ {LINEAR_BAR}", met(growth <= LINEAR_BAR))
    for step in ("one", "two"):
        peaks = [day.peak(step, "largest_mb") for day in days]
        each = " · ".join(f"{peak:,.0f} MB" for peak in peaks)
        table.add_row(f"memory, {TITLES[step]}", each, "", f"< {MEMORY_BAR} MB", met(peaks[-1] < MEMORY_BAR))
    console.print(table)


def met(yes: bool) -> str:
    """Whether a bar is met."""
    return "[green]met[/]" if yes else "[red]missed[/]"


def say(what: str) -> None:
    """Progress; a terminal sees the last line alone."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)
    else:
        print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

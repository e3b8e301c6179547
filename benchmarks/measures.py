"""What is measured of a harvest, each in a fresh process: seconds, and the memory of the process and its children."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

SAMPLES = 20
"""Looks at the memory a second."""

RECONSTRUCTED = 120_000
"""Events that are reconstructed when that is measured alone."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one measure."""

    seconds: float  # wall clock, without the start of the process; of `reconstruct`: CPU seconds
    events: int
    largest_mb: float  # of one process, Postgres left out
    together_mb: float


def measure(name: str, **given: Any) -> Measured:
    """Run one of ``MEASURES`` in a process of its own."""
    command = [sys.executable, __file__, name, json.dumps(given)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    largest = together = 0.0
    while process.poll() is None:
        sizes = _sizes(process.pid)
        largest, together = max(largest, *sizes), max(together, sum(sizes))
        time.sleep(1 / SAMPLES)
    assert process.stdout is not None
    printed = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"the measure {name} failed; what it said stands above")
    seconds, events = json.loads(printed)
    return Measured(seconds, events, largest, together)


def _sizes(pid: int) -> list[float]:
    sizes = [0.0]
    try:
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            sizes.append(process.memory_info().rss / 1e6)
    except psutil.NoSuchProcess:
        pass
    return sizes


def limit(url: str) -> tuple[float, int]:
    """COPY of the same columns of the whole day, in binary, thrown away by psql, or by psycopg2 where there is none."""
    import psycopg2
    from day import window

    from echo_ops.sql import statement

    columns = statement("events_read").partition("SELECT ")[2].partition("FROM ")[0]
    # A harvest asks for the windows of some kinds of events alone; the limit is all of them.
    columns = re.sub(r"CASE .*? THEN (\w+) END AS \1", r"\1", columns)
    query = (
        f"SELECT {columns} FROM echo.completion_events "
        f"WHERE received_at >= '{window().start}' AND received_at < '{window().end}'"
    )
    psql = shutil.which("psql")
    start = time.perf_counter()
    if psql is not None:
        command = [psql, url, "-q", "-c", f"COPY ({query}) TO STDOUT (FORMAT binary)"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    else:
        with (
            psycopg2.connect(url) as connection,
            connection.cursor() as cursor,
            Path("/dev/null").open("wb") as nowhere,
        ):
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", nowhere)
    return time.perf_counter() - start, 0


def read(url: str) -> tuple[float, int]:
    """The day's events into Arrow batches, each thrown away."""
    from dataclasses import asdict

    from day import window

    from echo_ops.events.read import read as batches

    start = time.perf_counter()
    events = sum(batch.num_rows for part in batches(url, **asdict(window()), shard=0, shards=1) for batch in part)
    return time.perf_counter() - start, events


def extract(url: str, processes: int) -> tuple[float, int]:
    """The harvest's first step, whole: read, reconstruct, profile, write what is staged."""
    from day import DAY

    from echo_ops.pipeline.extract import extract as run
    from echo_ops.pipeline.extract import plan
    from echo_ops.pipeline.processes import side_by_side
    from echo_ops.settings import Harvest, Settings

    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        settings = Settings(home=Path(home), harvest=Harvest(processes=processes)).with_postgres(url)
        start = time.perf_counter()
        planned = plan(DAY.date(), settings, processes)
        shards = planned.shards
        work = partial(run, DAY.date(), shards=shards, parts=planned.parts, settings=settings)
        manifests = list(side_by_side(work, range(shards), min(processes, shards)))
        return time.perf_counter() - start, sum(manifest.rows["events"] for manifest in manifests)


def reconstruct(changes: str, each: int, events: int = RECONSTRUCTED) -> tuple[float, int]:
    """Reconstruction alone: from an Arrow table to an Arrow table, documents of ``each`` events."""
    from day import typed

    from echo_ops.lifecycle.reconstruct import reconstruct as run

    table = typed(changes, each, max(events // each, 1)).combine_chunks()  # type: ignore[arg-type]
    run(table.slice(0, each))
    start = time.process_time()
    run(table)
    return time.process_time() - start, table.num_rows


MEASURES: dict[str, Callable[..., tuple[float, int]]] = {
    "limit": limit,
    "read": read,
    "extract": extract,
    "reconstruct": reconstruct,
}

if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](**json.loads(sys.argv[2]))))

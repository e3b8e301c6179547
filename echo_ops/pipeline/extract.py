"""The first steps of a harvest: which events make a day, how it is cut, and what became of each request of a shard."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.errors import QualityError
from echo_ops.lake.tables import Lake, Staging
from echo_ops.pipeline import teaching
from echo_ops.pipeline.database import database
from echo_ops.pipeline.manifest import Manifest, add
from echo_ops.pipeline.spill import BUCKET_EVENTS, buckets_for, in_buckets
from echo_ops.pipeline.working_memory import kept_memory
from echo_ops.schema.events import EVENTS
from echo_ops.settings import Settings

Part = TypeVar("Part")
Parts = Generator[Part, None, None]

PART_EVENTS = 16_384
"""Events of a part, about: 50 MB with windows of 2 kB and 1 kB. Three are in memory: read, worked on, staged."""

FEWEST_BUCKETS = 8
"""Of a part that is spilled after all, e.g. for its large windows."""

MOST_SCANS = 8
"""Parts that are cut out of one of a day's tables, each by a scan of it: 0.08 times what it costs to send it."""

EXTRACTED = ("lifecycles", "events_profile", "lifecycles_profile")
"""What ``extract`` stages. The events themselves are not kept a second time: their profile says what they were."""


@dataclass(frozen=True, slots=True)
class Window:
    """The times of ``received_at`` that make a day; half-open. The server's clock decides: clients' clocks err."""

    start: datetime  # earliest event that is read: some arrive out of order around midnight
    day_start: datetime  # requests from here
    day_end: datetime  # to here belong to the day
    end: datetime  # latest event that is read, to finish the day's requests

    @classmethod
    def of(cls, day: date, settings: Settings) -> Window:
        """The window of a day in UTC, with its lead and its grace."""
        midnight = datetime.combine(day, time(), tzinfo=UTC)
        next_midnight = midnight + timedelta(days=1)
        return cls(
            midnight - timedelta(minutes=settings.harvest.lead_minutes),
            midnight,
            next_midnight,
            next_midnight + timedelta(hours=settings.harvest.grace_hours),
        )


def plan(day: date, settings: Settings, workers: int = 1) -> Manifest:
    """Count the day and say into how many shards it is cut.

    Args:
        workers: processes that shall have a shard each, where the day is large enough for that to be worth it.

    Raises:
        QualityError: nobody requested anything that day.
        UnavailableError: Postgres does not answer.
    """
    from echo_ops.events import migrate, read

    window = Window.of(day, settings)
    with database(settings) as url:
        migrate.current(url)
        counted = read.count(url, **asdict(window))
    if counted.requests == 0:
        raise QualityError(
            f"{day}: 0 requests among {counted.events} events received between {window.start:%Y-%m-%d %H:%M} and "
            f"{window.end:%Y-%m-%d %H:%M} UTC; at least 1 is needed, so nothing is published; check that clients "
            "report and that the day is the one you mean"
        )
    worthwhile = min(workers, counted.events // BUCKET_EVENTS)
    shards = max(-(-counted.events // settings.harvest.shard_events), worthwhile)
    parts = 1  # of a day in one table: each more would scan the whole day again
    if counted.ranges > 1:
        scans = min(-(-counted.events // (counted.ranges * PART_EVENTS)), MOST_SCANS)
        parts = max(counted.ranges * scans // shards, 1)
    rows = {"requests": counted.requests}
    versions = teaching.resolved(settings)
    return Manifest("plan", day.isoformat(), shards=shards, parts=parts, rows=rows, versions=versions)


def extract(
    day: date,
    shard: int,
    shards: int,
    settings: Settings,
    parts: int = 1,
    versions: Mapping[str, int] | None = None,
) -> Manifest:
    """Read a shard's events and reconstruct what became of each request of the day.

    While one part is reconstructed, the next one is read, and the one before is staged. A part that does not fit in
    memory is spilled (``pipeline.spill``).

    Args:
        parts: into how many parts the shard is cut, see ``plan``.
        versions: what ``plan`` resolved for all shards; handed on to ``judge``.
    """
    from echo_ops.events.read import read

    window = Window.of(day, settings)
    with kept_memory(), ExitStack() as stack:
        url = stack.enter_context(database(settings))
        consent = settings.harvest.consent
        streams = read(url, **asdict(window), shard=shard, shards=shards, parts=parts, consent=consent)
        documents = _documents(streams, settings.harvest.shard_events // parts, settings.home)
        staging = stack.enter_context(Lake(settings.lake_uri).staging(day, shard, EXTRACTED))
        read_ahead = _one_ahead(documents)
        reconstructed = _one_ahead(_reconstructed(read_ahead, window, settings.harvest.policy))
        stack.enter_context(closing(reconstructed))
        rows = add(_stage(events, lifecycles, staging) for events, lifecycles in reconstructed)
    return Manifest(
        "extract", day.isoformat(), shard, shards, rows=rows, versions=dict(versions or {}), hashes=staging.hashes
    )


def _documents(streams: Parts[Iterable[pa.RecordBatch]], most_events: int, home: Path) -> Parts[pa.Table]:
    """All events of some documents, and then of some others.

    Args:
        streams: one a part.
        most_events: events of a part, on average, in the largest shard.
        home: for what does not fit in memory.
    """
    buckets = max(buckets_for(most_events), FEWEST_BUCKETS)
    with closing(streams):
        for stream in streams:
            with in_buckets(stream, EVENTS, buckets, home, 3 * PART_EVENTS) as cut:
                while cut:
                    yield cut.pop(0).read()


def _one_ahead(parts: Parts[Part]) -> Parts[Part]:
    """The same parts; a thread makes the next one meanwhile."""
    with closing(parts), ThreadPoolExecutor(1) as maker:
        making = maker.submit(next, parts, None)
        while (part := making.result()) is not None:
            making = maker.submit(next, parts, None)
            yield part


def _reconstructed(parts: Parts[pa.Table], window: Window, policy: str) -> Parts[tuple[pa.Table, pa.Table]]:
    """The events of each part, and their lifecycles."""
    from echo_ops.lifecycle.reconstruct import reconstruct

    received = (window.day_start, window.day_end)
    with closing(parts):
        for events in parts:
            yield events, reconstruct(events, policy=policy, received=received, horizon=window.end)


def _stage(events: pa.Table, lifecycles: pa.Table, staging: Staging) -> dict[str, int]:
    """Stage what is made of a bucket; its counts."""
    from echo_ops.quality.profile import profile

    staging.write("lifecycles", lifecycles)
    staging.write("events_profile", profile("events", events))
    staging.write("lifecycles_profile", profile("lifecycles", lifecycles))
    requests = lifecycles.num_rows
    shown = pc.sum(pc.not_equal(lifecycles["decision"], "not_shown")).as_py() or 0
    return {"events": events.num_rows, "requests": requests, "shown": shown, "lifecycles": requests}

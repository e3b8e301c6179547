"""The first steps of a harvest: which events make a day, how it is cut, and what became of each request of a shard."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.errors import QualityError
from echo_ops.lake.tables import Lake, Staging
from echo_ops.pipeline import teaching
from echo_ops.pipeline.database import database
from echo_ops.pipeline.manifest import Manifest, add
from echo_ops.pipeline.spill import BUCKET_EVENTS, Bucket, buckets_for, in_buckets
from echo_ops.pipeline.working_memory import kept_memory
from echo_ops.schema.events import EVENTS
from echo_ops.settings import Settings

Part = TypeVar("Part")

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
    rows = {"requests": counted.requests}
    return Manifest("plan", day.isoformat(), shards=shards, rows=rows, versions=teaching.resolved(settings))


def extract(
    day: date, shard: int, shards: int, settings: Settings, versions: Mapping[str, int] | None = None
) -> Manifest:
    """Read a shard's events and reconstruct what became of each request of the day.

    In memory at once is a bucket of the shard's documents; what does not fit is spilled (``pipeline.spill``).

    Args:
        versions: what ``plan`` resolved for all shards; handed on to ``judge``.
    """
    from echo_ops.events.read import read

    window = Window.of(day, settings)
    with kept_memory(), ExitStack() as stack:
        url = stack.enter_context(database(settings))
        consent = settings.harvest.consent
        events = read(url, **asdict(window), shard=shard, shards=shards, consent=consent)
        stack.enter_context(closing(events))
        count = buckets_for(settings.harvest.shard_events)
        buckets = stack.enter_context(in_buckets(events, EVENTS, count, settings.home))
        staging = stack.enter_context(Lake(settings.lake_uri).staging(day, shard, EXTRACTED))
        parts = stack.enter_context(closing(_one_ahead(_reconstructed(buckets, window, settings.harvest.policy))))
        rows = add(_stage(events, lifecycles, staging) for events, lifecycles in parts)
    return Manifest(
        "extract", day.isoformat(), shard, shards, rows=rows, versions=dict(versions or {}), hashes=staging.hashes
    )


def _one_ahead(parts: Iterator[Part]) -> Generator[Part, None, None]:
    """The same parts; a thread makes the next one meanwhile."""
    with ThreadPoolExecutor(1) as maker:
        making = maker.submit(next, parts, None)
        while (part := making.result()) is not None:
            making = maker.submit(next, parts, None)
            yield part


def _reconstructed(buckets: Sequence[Bucket], window: Window, policy: str) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The events of each bucket, read ahead, and their lifecycles."""
    from echo_ops.lifecycle.reconstruct import reconstruct

    received = (window.day_start, window.day_end)
    for events in _one_ahead(bucket.read() for bucket in buckets):
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

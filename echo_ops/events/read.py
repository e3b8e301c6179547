"""Events out of Postgres: counts, days, and the events of a shard as a stream of Arrow batches, through binary COPY."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any

import pyarrow as pa

from echo_ops.errors import InputError
from echo_ops.events.postgres import connect, dsn, translated
from echo_ops.schema.events import EVENTS
from echo_ops.settings import Consent
from echo_ops.sql import statement

BUCKETS = 65536
"""Values of ``echo.document_bucket``; a shard is a range of them."""

AHEAD = 2
"""Batches that are fetched before they are asked for."""

PATIENCE = 5.0
"""Seconds that an unfinished read is given to end, before it is left to end by itself."""

Batches = Generator[pa.RecordBatch, None, None]


@dataclass(frozen=True, slots=True)
class Counted:
    """How much a day holds: read by pipeline, which cuts the day into shards."""

    events: int
    requests: int


def count(url: str, *, start: datetime, end: datetime, day_start: datetime, day_end: datetime) -> Counted:
    """Events received in [start, end), and requests received in [day_start, day_end).

    Raises:
        InputError, UnavailableError: see ``postgres.connect``.
    """
    window = _window(start, end, day_start, day_end)
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement("events_count"), window)
        events, requests = cursor.fetchall()[0]
    return Counted(events, requests)


def days(url: str) -> list[date]:
    """The days (UTC, by ``received_at``) that have requests, oldest first."""
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement("events_days"))
        return [day for (day,) in cursor.fetchall()]


def read(
    url: str,
    *,
    start: datetime,
    end: datetime,
    day_start: datetime,
    day_end: datetime,
    shard: int,
    shards: int,
    consent: Consent = "opt_out",
) -> Batches:
    """The events in [start, end) of those documents of a shard that have a request in [day_start, day_end).

    All times are of ``received_at``. A document is in one shard, by its hash. Rows come as they lie in the table, in
    no order: sorting them is the reader's, who sorts less at a time. Offsets are left in their unit. The next batches
    are fetched by a thread while one is being used, so that server and reader work at the same time.

    Users who withdrew by now are left out, and with ``consent`` "opt_in" those who never consented (``echo.consents``).

    Returns:
        Batches of some thousand rows (16 MB) in ``EVENTS``; what goes wrong while they are read is raised there.

    Raises:
        InputError: the window or the shard makes no sense; or as ``postgres.connect``.
        UnavailableError: see ``postgres.connect``.
    """
    if not 0 <= shard < shards <= BUCKETS:
        raise InputError(f"shard {shard} of {shards}: wanted is 0 <= shard < shards <= {BUCKETS}")
    values = {
        **_window(start, end, day_start, day_end),
        "opt_in": consent == "opt_in",
        "first_bucket": shard * BUCKETS // shards,
        "past_bucket": (shard + 1) * BUCKETS // shards,
    }
    return _ahead(_batches(url, statement("events_read"), values))


def _batches(url: str, query: str, values: Mapping[str, Any]) -> Batches:
    from adbc_driver_postgresql import dbapi

    # COPY takes no parameters, and without COPY the driver holds the whole result twice. So psycopg2 binds the values,
    # on its side as it always does; constants also let the planner leave out the other days' partitions.
    with connect(url) as connection, connection.cursor() as cursor:
        bound = cursor.mogrify(query, values).decode()
    with translated(url), dbapi.connect(dsn(url)) as stream, stream.cursor() as cursor:
        cursor.execute(bound)
        for batch in cursor.fetch_record_batch():
            yield batch.cast(EVENTS)


def _ahead(batches: Batches) -> Batches:
    """The same batches, fetched by a thread, at most ``AHEAD`` of them before they are asked for."""
    ready: Queue[pa.RecordBatch | BaseException | None] = Queue(AHEAD)
    unwanted = Event()

    def fetch() -> None:
        end: BaseException | None = None
        try:
            for batch in batches:
                ready.put(batch)
                if unwanted.is_set():
                    return
        except BaseException as error:  # raised where the batches are read
            end = error
        finally:
            batches.close()
            ready.put(end)

    thread = Thread(target=fetch, name="read ahead", daemon=True)
    thread.start()
    try:
        while (batch := ready.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch
    finally:
        unwanted.set()
        with suppress(Empty):  # makes room for the batch that the thread may be holding, and for its end
            while True:
                ready.get_nowait()
        thread.join(PATIENCE)


def _window(start: datetime, end: datetime, day_start: datetime, day_end: datetime) -> dict[str, datetime]:
    window = {"start": start, "day_start": day_start, "day_end": day_end, "end": end}
    naive = [name for name, time in window.items() if time.tzinfo is None]
    if naive:
        raise InputError(f"{', '.join(naive)} has no time zone; give times with one, e.g. in UTC")
    if not start <= day_start < day_end <= end:
        raise InputError(
            f"window {start} to {end} does not hold the day {day_start} to {day_end}; "
            "wanted is start <= day_start < day_end <= end"
        )
    return window

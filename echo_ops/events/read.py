"""Events out of Postgres: counts, days, and the events of a shard as an Arrow table, through binary COPY."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.errors import InputError
from echo_ops.events.postgres import connect, dsn, translated
from echo_ops.schema.events import EVENTS
from echo_ops.sql import statement

BUCKETS = 65536
"""Values of ``echo.document_bucket``; a shard is a range of them."""

_ORDER = [("document_id", "ascending"), ("seq", "ascending"), ("event_id", "ascending")]


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
    url: str, *, start: datetime, end: datetime, day_start: datetime, day_end: datetime, shard: int, shards: int
) -> pa.Table:
    """The events in [start, end) of those documents of a shard that have a request in [day_start, day_end).

    All times are of ``received_at``. A document is in one shard, by its hash. Rows come by document, ``seq`` and id, so
    that the same events give the same table. Offsets are left in their unit.

    Returns:
        A table in ``EVENTS``.

    Raises:
        InputError: the window or the shard makes no sense; or as ``postgres.connect``.
        UnavailableError: see ``postgres.connect``.
    """
    if not 0 <= shard < shards <= BUCKETS:
        raise InputError(f"shard {shard} of {shards}: wanted is 0 <= shard < shards <= {BUCKETS}")
    values = {
        **_window(start, end, day_start, day_end),
        "first_bucket": shard * BUCKETS // shards,
        "past_bucket": (shard + 1) * BUCKETS // shards,
    }
    table = _table(url, statement("events_read"), values).combine_chunks()  # sorting chunks takes ten times as long
    return table.take(pc.sort_indices(table.select(["document_id", "seq", "event_id"]), _ORDER))


def _table(url: str, query: str, values: Mapping[str, Any]) -> pa.Table:
    from adbc_driver_postgresql import dbapi

    # COPY takes no parameters, and without COPY the driver holds the whole result twice. So psycopg2 binds the values,
    # on its side as it always does; constants also let the planner leave out the other days' partitions.
    with connect(url) as connection, connection.cursor() as cursor:
        bound = cursor.mogrify(query, values).decode()
    with translated(url), dbapi.connect(dsn(url)) as stream, stream.cursor() as cursor:
        cursor.execute(bound)
        return cursor.fetch_arrow_table().cast(EVENTS)


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

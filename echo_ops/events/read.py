"""Events out of Postgres: counts, days, and the events of a shard as a stream of Arrow batches, through binary COPY."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from echo_ops.errors import InputError
from echo_ops.events.copy_reader import Batches, copied
from echo_ops.events.postgres import connect
from echo_ops.schema.events import EVENTS, SHOWING
from echo_ops.settings import Consent
from echo_ops.sql import statement

BUCKETS = 65536
"""Values of ``echo.document_bucket``; a shard is a range of them, and so is each of its parts."""

BATCH_BYTES = 1 << 26
"""Of a batch, about. A part of a day is mostly one batch, and need not be put together."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How much a day holds: read by pipeline, which cuts the day into shards."""

    events: int
    requests: int
    ranges: int  # tables, each with all events of its documents, that the day is cut into


def count(url: str, *, start: datetime, end: datetime, day_start: datetime, day_end: datetime) -> Counted:
    """Events received in [start, end), and requests received in [day_start, day_end).

    Raises:
        InputError, UnavailableError: see ``postgres.connect``.
    """
    window = _window(start, end, day_start, day_end)
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement("events_count"), window)
        return Counted(*cursor.fetchall()[0])


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
    parts: int = 1,
    consent: Consent = "opt_out",
) -> Generator[Batches, None, None]:
    """The events in [start, end) of those documents of a shard that have a request in [day_start, day_end).

    All times are of ``received_at``. A document is in one shard and in one of its parts, by its hash. Rows of a part
    come as they lie in the table, in no order: sorting them is the reader's, who sorts less at a time. Offsets are left
    in their unit, and windows out where their kind of event says nothing by them. A part is one scan of the tables that
    hold its documents, sent while it is read.

    Users who withdrew by now are left out, and with ``consent`` "opt_in" those who never consented (``echo.consents``).

    Returns:
        One stream a part, to be read before the next one is asked for: batches of about ``BATCH_BYTES`` in ``EVENTS``.
        What goes wrong is raised there.

    Raises:
        InputError: the window, the shard or the parts make no sense; or as ``postgres.connect``.
        UnavailableError: see ``postgres.connect``.
    """
    if not (0 <= shard < shards and parts > 0 and shards * parts <= BUCKETS):
        raise InputError(
            f"shard {shard} of {shards}, in {parts} parts each: wanted is 0 <= shard < shards and 1 to {BUCKETS} parts "
            "in all"
        )
    window = {**_window(start, end, day_start, day_end), "opt_in": consent == "opt_in", "showing": list(SHOWING)}
    bounds = [(shard * parts + number) * BUCKETS // (shards * parts) for number in range(parts + 1)]
    ranges = [{**window, "first_bucket": first, "past_bucket": past} for first, past in pairwise(bounds)]
    return _parts(url, ranges)


def _parts(url: str, ranges: Sequence[Mapping[str, Any]]) -> Generator[Batches, None, None]:
    # COPY takes no parameters, so psycopg2 binds them, on its side as it always does. Constants also let the planner
    # leave out the tables of other days and documents.
    with connect(url) as connection, connection.cursor() as cursor:
        queries = [cursor.mogrify(statement("events_read"), values).decode() for values in ranges]
    yield from copied(url, queries, EVENTS, BATCH_BYTES)


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

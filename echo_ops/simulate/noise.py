"""What happens to events between an editor and the server: delay, loss, repeats, disorder, wrong clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from echo_ops.simulate.document import Row


@dataclass(frozen=True, slots=True)
class Noise:
    """How much of what; shares are per event unless said otherwise."""

    lost: float = 1 / 4000  # never arrives: a hole in seq
    repeated: float = 0.004  # sent again: the same event_id, received later
    swapped: float = 0.01  # overtaken on the way
    offline: float = 0.12  # of a user's days: what happens for up to 2.4 hours is sent when the network is back
    latest: timedelta = timedelta(minutes=150)  # after which nothing arrives late: within the harvest's grace hours


QUIET = Noise(lost=0, repeated=0, swapped=0, offline=0)
"""Nothing goes wrong but the clock and the delay."""


def arrival(rows: Sequence[Row], noise: Noise, skew: timedelta, chance: Random) -> tuple[list[Row], list[Row]]:
    """The events as the server received them, in its order, and those that it never received.

    Args:
        rows: the events of a user's day with ``occurred_at`` in true time, which ``skew`` turns into the client's.
        skew: what the client's clock is ahead of the server's.
    """
    ordered = sorted(rows, key=lambda row: (row["occurred_at"], row["document_id"], row["seq"]))
    away_from, away_until = _offline(ordered, noise, chance)
    received: list[Row] = []
    lost: list[Row] = []
    for row in ordered:
        at = row["occurred_at"]
        late = timedelta(milliseconds=chance.randint(40, 900))
        if chance.random() < noise.swapped:
            late += timedelta(milliseconds=chance.randint(1_000, 20_000))
        arrives = (away_until if away_from <= at < away_until else at) + late
        sent = {**row, "occurred_at": at + skew, "received_at": arrives}
        if chance.random() < noise.lost and row["kind"] != "opened":
            lost.append(sent)
            continue
        received.append(sent)
        if chance.random() < noise.repeated:
            received.append({**sent, "received_at": arrives + timedelta(milliseconds=chance.randint(500, 60_000))})
    received.sort(key=lambda row: (row["received_at"], row["document_id"], row["seq"]))
    return received, lost


def clock_skew(chance: Random) -> timedelta:
    """Most clocks are right to a second; one in eight is minutes off."""
    spread = 240_000 if chance.random() < 0.125 else 900
    return timedelta(milliseconds=chance.randint(-spread, spread))


def _offline(ordered: Sequence[Row], noise: Noise, chance: Random) -> tuple[datetime, datetime]:
    """From when to when the client has no network; most days from never to never."""
    if not ordered or chance.random() >= noise.offline:
        return datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    start: datetime = chance.choice(ordered)["occurred_at"]
    minutes = noise.latest.total_seconds() / 60
    return start, start + timedelta(minutes=chance.uniform(0.15, 0.95) * minutes)

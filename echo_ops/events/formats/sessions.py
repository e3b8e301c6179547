"""Order, sessions and ``seq`` for logs that have none: records of many documents, each with a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from echo_ops.events.formats.port import Row, derived_uuid

SECOND = 1_000_000
"""Times are whole microseconds."""

PAUSE = 3600 * SECOND
"""A user who did nothing for so long begins a new session. No policy keeps a gap open for longer, and no log says when
an editor was started."""

DISORDER = 60 * SECOND
"""Logs are written when a proposal is answered, up to ten seconds after it was shown: so far apart, order is kept."""


def in_time(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows by ``occurred_at``; one that comes later than ``DISORDER`` after its time is let through as it is."""
    waiting: list[tuple[int, int, Row]] = []
    newest = 0
    for number, row in zip(count(), rows):
        heappush(waiting, (row["occurred_at"], number, row))
        newest = max(newest, row["occurred_at"])
        while waiting[0][0] < newest - DISORDER:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


@dataclass
class Session:
    """One user's events without a long pause, and how many events each document has had in it."""

    id: str
    last: int
    counts: dict[str, int] = field(default_factory=dict)

    def place(self, row: Row, document: str) -> Row:
        """Give an event its session, document and ``seq``."""
        seq = self.counts.get(document, 0)
        self.counts[document] = seq + 1
        return {**row, "session_id": self.id, "document_id": derived_uuid(self.id, document), "seq": seq}


class Sessions:
    """The open session of each user. An id follows from the user and the first event, so that a log that is imported
    in parts gives no two events of one document the same ``seq``."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def at(self, user: str, time: int) -> Session:
        """The session that a user is in."""
        session = self._open.get(user)
        if session is None or time - session.last > PAUSE:
            session = self._open[user] = Session(derived_uuid("session", user, str(time)), time)
        session.last = max(session.last, time)
        return session

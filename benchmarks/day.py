"""A day of events for measuring: real source text, typed, asked about and corrected, document by document.

A few hundred documents are typed out in Python. Postgres then multiplies them: each copy has its own document, user,
ids and hours, and the copies arrive interleaved, in the order of time, as in production. Compressed text is copied as
it is, so that four million events take minutes.
"""

from __future__ import annotations

import itertools
import json
import sysconfig
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal
from uuid import UUID

import psycopg2
import pyarrow as pa

from echo_ops.events.postgres import dsn
from echo_ops.pipeline.extract import Window
from echo_ops.schema.events import EVENTS
from echo_ops.settings import Settings
from echo_ops.sql import statement

Changes = Literal["snapshots", "edits"]

DAY = datetime(2026, 11, 2, tzinfo=UTC)
BEFORE, AFTER = 2048, 1024
"""Characters of the windows to either side of the caret."""
SHORT, LONG = 40, 5000
"""Events of most documents, and of the long documents, which make a tenth of the events of a day."""


@cache
def _sources() -> list[str]:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    return [text for text in texts if 20_000 <= len(text) <= 120_000]


class _Typist:
    """One document being written: parts of a real file are missing, and are typed where they belong."""

    def __init__(self, changes: Changes, chance: Random) -> None:
        self.changes, self.chance = changes, chance
        self.text = chance.choice(_sources())
        self.caret, self.wanted = 0, ""
        self.now = 0.0
        self.version = 0
        self.rows: list[dict[str, Any]] = []
        self.requests = itertools.count()
        self._go_elsewhere()

    def type(self, events: int) -> list[dict[str, Any]]:
        """Rows in the columns of the template table."""
        self._tell("opened", caret=0)
        while len(self.rows) < events - 5:
            if not self.wanted or self.chance.random() < 0.01:
                self._go_elsewhere()
                self._tell("selection_changed")
            elif self.chance.random() < 0.17:
                self._ask()
            else:
                self._write()
        while len(self.rows) < events - 1:
            self._write()
        self._tell("closed")
        return self.rows[:events]

    def _go_elsewhere(self) -> None:
        """Cut a few hundred characters out, a stretch of whole lines, and stand there to write them anew."""
        if len(self.text) < 8000:
            self.text = self.chance.choice(_sources())
        start = self.text.find("\n", self.chance.randrange(len(self.text) - 2000)) + 1
        stop = self.text.find("\n", start + self.chance.randint(150, 900)) + 1
        stop = stop if stop > start else len(self.text)
        self.wanted = self.text[start:stop]
        self.now += self.chance.choice((1.0, 5.0, 40.0, 200.0))
        self._change(start, stop, "", "undo")
        self.caret = start

    def _write(self) -> None:
        """A few characters, a word, a typing error, or its correction."""
        if not self.wanted:
            self._go_elsewhere()
            return
        self.now += self.chance.choice((0.15, 0.3, 0.6, 0.6, 1.5, 1.5, 4.0, 35.0))
        roll = self.chance.random()
        if roll < 0.04 and self.caret > 3:
            size = self.chance.randint(1, 3)
            self.wanted = self.text[self.caret - size : self.caret] + self.wanted
            self._change(self.caret - size, self.caret, "", "typing")
            return
        if roll < 0.05:  # a line elsewhere
            at = self.text.find("\n", self.chance.randrange(len(self.text) // 2)) + 1
            if at < self.caret:
                self._change(at, at, "import os\n", "external")
                self.caret += len("import os\n")
                return
        size = self.chance.choice((1, 1, 1, 2, 4, 8, 16))
        piece, self.wanted = self.wanted[:size], self.wanted[size:]
        self._change(self.caret, self.caret, piece, "typing")

    def _ask(self) -> None:
        """A request; shown, and then accepted, typed through or ignored."""
        request = next(self.requests)
        size = self.chance.randint(5, 80)
        proposal = self.wanted[:size] if self.chance.random() < 0.6 else f"{self.wanted[: size // 2]}return None"
        self._tell("requested", request=request, language="python", repository="echo", path="a.py", model_version="m1")
        self.now += 0.3
        shown = {"request": request, "proposal": proposal, "replace_start": self.caret, "replace_end": self.caret}
        self._tell("shown", **shown)
        self.now += self.chance.choice((0.4, 0.8, 2.0))
        answer = self.chance.choices(("accepted", "rejected", "ignored"), (3, 2, 3))[0]
        self._tell(answer, **shown)
        if answer == "accepted":
            right = self.wanted.startswith(proposal)
            if right:
                self.wanted = self.wanted[len(proposal) :]
            self._change(self.caret, self.caret, proposal, "accept")
            if not right:  # what was wrong is taken out again
                self.now += 1.0
                self._change(self.caret - len(proposal), self.caret, "", "typing")

    def _change(self, start: int, end: int, new: str, cause: str) -> None:
        self.text = self.text[:start] + new + self.text[end:]
        self.caret = start + len(new)
        self.version += 1
        edits = json.dumps([[start, end, new]], ensure_ascii=False)
        self._tell(
            "changed", cause=cause, version=self.version, **({"edits": edits} if self.changes == "edits" else {})
        )

    def _tell(self, kind: str, **more: Any) -> None:
        caret = more.get("caret", self.caret)
        row = {"kind": kind, "after": self.now, "caret": caret, "document_length": len(self.text), **more}
        if self.changes == "snapshots" or kind in ("requested", "opened"):
            row["prefix"] = self.text[max(caret - BEFORE, 0) : caret]
            row["suffix"] = self.text[caret : caret + AFTER]
        self.rows.append(row)


def typed(changes: Changes, events: int, documents: int, seed: int = 0) -> pa.Table:
    """``documents`` documents of ``events`` events each, in ``EVENTS``; by document and ``seq``."""
    rows = []
    for number in range(documents):
        document = _Typist(changes, Random(f"{seed}/{events}/{number}")).type(events)
        for seq, row in enumerate(document):
            at = DAY + timedelta(seconds=number + row.pop("after"))
            request = row.pop("request", None)
            rows.append(
                {
                    **dict.fromkeys(EVENTS.names),
                    **row,
                    "event_id": str(UUID(int=(events << 96) + (number << 64) + (1 << 63) + seq)),
                    "occurred_at": at,
                    "received_at": at + timedelta(milliseconds=200),
                    "user_id": f"user-{number % 97}",
                    "session_id": f"session-{events}-{number}",
                    "document_id": f"document-{events}-{number}",
                    "seq": seq,
                    "request_id": None if request is None else str(UUID(int=(events << 96) + (number << 64) + request)),
                    "offset_unit": "code-point",
                }
            )
    return pa.Table.from_pylist(rows, schema=EVENTS)


def fill(url: str, changes: Changes, events: int) -> int:
    """Put a day of about ``events`` events into an empty, migrated database; gives their number.

    Nine in ten are of documents with 40 events each, the others of documents with ``LONG``. All in one transaction, so
    that Postgres needs no log of it.
    """
    from adbc_driver_postgresql import dbapi

    long_copies = events // (10 * LONG)
    short_copies = max((events - long_copies * LONG) // SHORT, 1)
    short = typed(changes, SHORT, min(400, short_copies))
    long = typed(changes, LONG, min(3, long_copies))
    templates = pa.concat_tables([short, long])
    numbered = templates.append_column("row_number", pa.array(range(templates.num_rows), pa.int64()))
    with dbapi.connect(dsn(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement("events_stage_compression"))
        cursor.fetchall()
        cursor.execute(statement("events_stage"))
        cursor.adbc_ingest("staged_events", numbered, mode="append", temporary=True)
        cursor.execute(_TEMPLATES)
        for events_each, copies, kinds in ((SHORT, short_copies, short), (LONG, long_copies, long)):
            for query in _COPIES:
                cursor.execute(
                    query.format(
                        events=events_each, copies=copies, kinds=max(kinds.num_rows // events_each, 1), day=DAY
                    )
                )
        for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)):
            cursor.execute(f"SELECT echo.make_partition('{day:%Y-%m-%d}', {ranges(events)})")
            cursor.fetchall()
        cursor.execute("SELECT set_config('echo.events_claimed', 'on', true)")
        cursor.fetchall()
        bounds = [DAY + timedelta(minutes=15 * number) for number in range(96)] + [DAY + timedelta(days=2)]
        for low, high in itertools.pairwise(bounds):
            cursor.execute(_SLICE.format(low=low, high=high))
        connection.commit()
    with closing(psycopg2.connect(dsn(url))) as plain, plain.cursor() as cursor:
        plain.autocommit = True
        cursor.execute("VACUUM ANALYZE echo.completion_events")
        cursor.execute("SELECT count(*) FROM echo.completion_events")
        return int(cursor.fetchall()[0][0])


def ranges(events: int) -> int:
    """Into how many ranges a day of so many events with windows is cut; ``echo.ranges_for`` goes by their bytes."""
    return min(32, 1 << (max(events // 16_384, 1) - 1).bit_length())


_TEMPLATES = """
CREATE TEMPORARY TABLE template ON COMMIT DROP AS
    SELECT *, occurred_at - min(occurred_at) OVER (PARTITION BY document_id) AS after FROM staged_events
"""

_COPIES = (
    """
CREATE TEMPORARY TABLE IF NOT EXISTS copy
    (number bigint, template text, begun timestamptz, lasts interval) ON COMMIT DROP
""",
    """
INSERT INTO copy
    SELECT {events}::bigint << 32 | number, template,
           '{day}'::timestamptz + number * (interval '14 hours' / greatest({copies}, 1)), lasts
    FROM generate_series(0, {copies} - 1) AS number
    JOIN (SELECT document_id AS template, max(after) AS lasts FROM template GROUP BY document_id) AS whole
      ON template = format('document-{events}-%s', number * 7919 % {kinds})
""",
)

_SLICE = """
INSERT INTO echo.completion_events (
    event_id, kind, occurred_at, received_at, user_id, session_id, document_id, seq, version, request_id, language,
    repository, path, model_version, caret, document_length, prefix, suffix, edits, cause, proposal, replace_start,
    replace_end, offset_unit)
SELECT md5(number || '/' || seq)::uuid, kind, begun + after, begun + after + interval '0.2 seconds' AS received_at,
       'user-' || number % 997, 'session-' || number, md5('document ' || number)::uuid::text, seq, version,
       md5(number || '/' || request_id)::uuid, language, repository, path, model_version, caret, document_length,
       prefix, suffix, edits::jsonb, cause, proposal, replace_start, replace_end, offset_unit
FROM copy JOIN template ON template.document_id = copy.template
WHERE begun < '{high}' AND begun + lasts >= '{low}' AND begun + after >= '{low}' AND begun + after < '{high}'
ORDER BY received_at
"""


def window() -> Window:
    """The times whose events a harvest of the day reads."""
    return Window.of(DAY.date(), Settings())

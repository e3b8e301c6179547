"""Simulated telemetry: programmers at work for some days, what their editors report, and what they truly committed.

Everything follows from the seed, the arguments and the standard library's source: no clock, no order of files, no
hash of Python's. Another version of Python has other sources, and so other events.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.errors import InputError
from echo_ops.schema.events import EVENTS
from echo_ops.simulate.dice import Dice
from echo_ops.simulate.document import Client, Document, Place, Row
from echo_ops.simulate.intention import stretches, without
from echo_ops.simulate.noise import Noise, arrival, clock_skew
from echo_ops.simulate.programmer import Programmer
from echo_ops.simulate.proposals import Asked, Proposer, RuleProposer
from echo_ops.simulate.sources import Page, Source, page, sources
from echo_ops.simulate.truth import TRUTH, Fate, Witness

FIRST_DAY = date(2026, 11, 2)
BASE = "base"

ModelOf = Callable[[str, date], str]
"""Which model serves a user on a day."""


@dataclass(frozen=True, slots=True)
class Session:
    """One programmer's day: written by simulate, read by whoever measures. It may end after midnight."""

    events: pa.Table  # EVENTS, as received, in the server's order
    truth: pa.Table  # TRUTH; two rows for each request that was received


@dataclass(frozen=True, slots=True)
class Written:
    """What ``write`` wrote."""

    events: int
    requests: int


@dataclass(frozen=True, slots=True)
class User:
    """Who types, where, and on what."""

    user_id: str
    client: Client
    repositories: tuple[str, ...]
    begins: timedelta  # start of the working day after midnight UTC
    pace: float  # seconds between two keys
    skew: timedelta


@dataclass(frozen=True, slots=True)
class Scale:
    """How much a programmer does in a day."""

    spells: tuple[int, int] = (1, 3)  # editor sessions, from and to: morning, afternoon, evening; at most three
    documents: tuple[int, int] = (2, 4)  # opened in each
    characters: tuple[int, int] = (150, 700)  # missing in each document, to be written


def simulate(
    *,
    days: int,
    users: int,
    seed: int,
    start: date = FIRST_DAY,
    model_of: ModelOf | None = None,
    proposer: Proposer | None = None,
    noise: Noise | None = None,
    scale: Scale | None = None,
    window: tuple[int, int] = (2048, 1024),
    together: int = 1,
) -> Iterator[Session]:
    """Programmers at work, one session for each user and day, day by day; bounded memory.

    Args:
        days: how many, from ``start`` on.
        users: how many programmers. Of twelve, two have a client that sends windows instead of edits, one counts in
            UTF-16, and one sends nothing but its requests, half of them without offsets.
        seed: the same seed gives the same bytes.
        start: the first day.
        model_of: which model version serves a user on a day; default: ``base`` for all.
        proposer: who answers; default: ``RuleProposer``.
        noise: what goes wrong on the way; default: ``Noise()``.
        scale: how much is typed; default: ``Scale()``.
        window: characters before and after the caret that clients send.
        together: sessions that run in step, so that a proposer is asked for as many completions at once; it changes
            the batches, not the events.

    Raises:
        InputError: a number is out of range, or this Python has no sources.
    """
    for name, value in (("days", days), ("users", users), ("together", together)):
        if value < 1:
            raise InputError(f"{name} is {value}; it must be at least 1")
    dice = Dice(f"echo/{seed}")
    serve = proposer or RuleProposer(seed)
    model = model_of or (lambda user_id, day: BASE)
    people = [_user(number, dice, window) for number in range(users)]
    work = (
        _day(user, day, model(user.user_id, day), dice, noise or Noise(), scale or Scale())
        for day in (start + timedelta(days=number) for number in range(days))
        for user in people
    )
    while batch := list(islice(work, together)):
        yield from _in_step(batch, serve)


def write(
    out: Path,
    truth: Path | None = None,
    *,
    days: int,
    users: int,
    seed: int,
    start: date = FIRST_DAY,
    progress: Callable[[int, int], None] | None = None,
    model_of: ModelOf | None = None,
    proposer: Proposer | None = None,
) -> Written:
    """Simulate into Parquet files; they appear whole or not at all.

    Args:
        out: the events, in the columns of EVENTS.
        truth: the true commits, in the columns of TRUTH; None: not written.
        progress: called with the sessions done and all of them.

    Raises:
        InputError: as ``simulate``.
    """
    events = requests = 0
    total = days * users
    with ExitStack() as stack:
        event_file = stack.enter_context(_Parquet(out, EVENTS))
        truth_file = stack.enter_context(_Parquet(truth, TRUTH)) if truth else None
        sessions = simulate(days=days, users=users, seed=seed, start=start, model_of=model_of, proposer=proposer)
        for done, session in enumerate(sessions, 1):
            event_file.write(session.events)
            if truth_file:
                truth_file.write(session.truth)
            events += session.events.num_rows
            requests += len(session.truth["request_id"].unique())
            if progress:
                progress(done, total)
    return Written(events, requests)


class _Parquet:
    """A Parquet file that is written beside its place and moved there at the end."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema = path, schema
        self.unfinished = path.with_name(f".{path.name}.{os.getpid()}")

    def __enter__(self) -> _Parquet:
        self.writer = pq.ParquetWriter(self.unfinished, self.schema, compression="zstd")
        return self

    def write(self, table: pa.Table) -> None:
        self.writer.write_table(table)

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self.writer.close()
        if failed:
            self.unfinished.unlink(missing_ok=True)
        else:
            self.unfinished.replace(self.path)


# --- who works, and when

_CLIENTS = (
    *[Client()] * 8,
    Client(changes="snapshots"),
    Client(offset_unit="utf-16"),
    Client(changes="snapshots"),
    Client(changes="nothing"),
)


def _user(number: int, dice: Dice, window: tuple[int, int]) -> User:
    own = dice.at("user", number)
    chance = own.stream()
    client = _CLIENTS[(number * 5 + 3) % len(_CLIENTS)]  # so that few users have several kinds, too
    client = Client(client.changes, client.offset_unit, client.sends_offsets, *window)
    names = sorted(sources())
    # one in four works late, past midnight UTC; the others sit in Europe, Africa and Asia
    zone = -5.0 if number % 4 == 1 else chance.choice((0.0, 1.0, 1.0, 2.0, 5.5, 8.0))
    return User(
        user_id=f"user-{own.uuid()[:8]}",
        client=client,
        repositories=tuple(chance.sample(names, k=min(3, len(names)))),
        begins=timedelta(hours=9 - zone, minutes=chance.randint(0, 60)),
        pace=chance.uniform(0.09, 0.22),
        skew=clock_skew(chance),
    )


_Work = Generator[Asked, str | None, Session]


def _day(user: User, day: date, model_version: str, dice: Dice, noise: Noise, scale: Scale) -> _Work:
    own = dice.at(user.user_id, day.isoformat())
    chance = own.stream()
    midnight = datetime.combine(day, time(), UTC)
    rows: list[Row] = []
    fates: list[tuple[Document, Fate, str]] = []
    spells = chance.sample((0.0, 4.5, 9.4), k=chance.randint(*scale.spells))
    for number, hours in enumerate(sorted(spells)):
        now = midnight + user.begins + timedelta(hours=hours, minutes=chance.randint(0, 40))
        session_id = own.at("session", number).uuid()
        for opened in range(chance.randint(*scale.documents)):
            place = own.at("session", number, "document", opened)
            source, text = _choose(user, chance)
            where = Place(user.user_id, session_id, place.uuid(), source.repository, source.path)
            client = user.client
            if client.changes == "nothing":
                client = Client("nothing", "code-point", opened % 2 == 0, client.window_before, client.window_after)
            work = _Visit(where, client, text, now, model_version, day, place, user.pace)
            yield from work.work(chance.randint(*scale.characters))
            document = work.document
            rows += document.rows
            fates += [(document, fate, work.intended[fate.request_id]) for fate in document.witness.abandoned()]
            now = document.now + timedelta(seconds=chance.uniform(5, 400))
    received, lost = arrival(rows, noise, user.skew, own.at("noise").stream())
    return Session(pa.Table.from_pylist(received, schema=EVENTS), _truth(fates, received, lost, user.skew))


def _choose(user: User, chance: Random) -> tuple[Source, Page]:
    while True:
        name = user.repositories[0] if chance.random() < 0.6 else chance.choice(user.repositories)
        source = chance.choice(sources()[name])
        text = page(source)
        if text is not None:
            return source, text
        if not any(page(one) for known in user.repositories for one in sources()[known]):
            raise InputError(f"no file of {', '.join(user.repositories)} can be typed; install Python with its source")


class _Visit:
    """One document from its opening to its closing."""

    def __init__(
        self, place: Place, client: Client, text: Page, now: datetime, model: str, day: date, dice: Dice, pace: float
    ) -> None:
        self.page, self.model, self.day, self.dice, self.pace = text, model, day, dice, pace
        self.document = Document(place, client, Witness(""), now)
        self.intended: dict[str, str] = {}

    def work(self, characters: int) -> Generator[Asked, str | None, None]:
        document = self.document
        chance = self.dice.at("visit").stream()
        missing = stretches(self.page, chance, characters)
        if not missing:
            missing = stretches(self.page, Random(0), characters)
        text, places = without(self.page, missing)
        document.witness.text = text
        document.marks.update(enumerate(places))
        document.open()
        order = list(range(len(missing)))
        chance.shuffle(order)
        for number in order:
            document.now += timedelta(milliseconds=chance.randint(1_500, 60_000))
            document.select(document.marks.pop(number))
            programmer = Programmer(
                document, missing[number], self.model, self.day, self.dice.at(number), self.pace, self.intended
            )
            yield from programmer.write()
        document.now += timedelta(milliseconds=chance.randint(800, 90_000))
        if chance.random() < 0.03:
            document.reload(document.text + "\n# checked out\n")
            document.now += timedelta(milliseconds=chance.randint(800, 20_000))
        if chance.random() < 0.92:  # else the editor is killed
            document.close()


def _truth(fates: list[tuple[Document, Fate, str]], received: list[Row], lost: list[Row], skew: timedelta) -> pa.Table:
    """Two rows for each request that arrived; times on the client's clock."""
    arrived = {row["request_id"]: row["seq"] for row in received if row["kind"] == "requested"}
    holes: dict[str, list[tuple[int, datetime]]] = {}
    for row in lost:
        holes.setdefault(row["document_id"], []).append((row["seq"], row["occurred_at"]))
    rows = []
    for document, fate, intended in fates:
        if fate.request_id not in arrived:
            continue
        closed_at = fate.closed_at + skew
        hole = any(
            seq > arrived[fate.request_id] and at <= closed_at for seq, at in holes.get(document.place.document_id, [])
        )
        rows.append(
            {
                "request_id": fate.request_id,
                "policy": fate.policy,
                "committed": fate.committed,
                "close_reason": fate.close_reason,
                "closed_at": closed_at,
                "intended": intended,
                "events_lost": hole,
            }
        )
    return pa.Table.from_pylist(rows, schema=TRUTH)


def _in_step(batch: list[_Work], proposer: Proposer) -> Iterator[Session]:
    """Run sessions side by side: each goes on to its next request, then all are answered at once."""
    finished: dict[int, Session] = {}
    answers: dict[int, str | None] = dict.fromkeys(range(len(batch)))
    while answers:
        asked: dict[int, Asked] = {}
        for number, answer in answers.items():
            try:
                asked[number] = batch[number].send(answer)
            except StopIteration as end:
                finished[number] = end.value
        answers = dict(zip(asked, proposer.propose(list(asked.values())), strict=True)) if asked else {}
    yield from (finished[number] for number in range(len(batch)))

"""A programmer's day: when the editor is open, on which documents, and what of it arrives at the server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random

import pyarrow as pa

from echo_ops.errors import InputError
from echo_ops.schema.events import EVENTS
from echo_ops.simulate.dice import Dice
from echo_ops.simulate.document import Client, Document, Place, Row
from echo_ops.simulate.intention import stretches, without
from echo_ops.simulate.noise import Noise, arrival, clock_skew
from echo_ops.simulate.programmer import Programmer
from echo_ops.simulate.proposals import Asked
from echo_ops.simulate.sources import Page, Source, page, sources
from echo_ops.simulate.truth import TRUTH, Fate, Witness

CLIENTS = (
    *[Client()] * 3,
    Client(changes="snapshots"),
    *[Client()] * 3,
    Client(offset_unit="utf-16"),
    Client(changes="snapshots"),
    *[Client()] * 2,
    Client(changes="nothing"),
)
"""Of each twelve users."""

SPELLS = (timedelta(hours=0), timedelta(hours=4.5), timedelta(hours=9.4))
"""Morning, afternoon and evening: when the editor is started, after the beginning of the working day."""


@dataclass(frozen=True, slots=True)
class User:
    """Who types, where, and on what."""

    user_id: str
    client: Client
    repositories: tuple[str, ...]  # the first one most
    begins: timedelta  # the working day, after midnight UTC
    pace: float  # seconds between two keys
    skew: timedelta  # what the clock is ahead
    shelf: Mapping[str, tuple[Source, ...]] = field(default_factory=sources)  # repository → files that he works on
    programmer: type[Programmer] = Programmer  # how he asks and accepts
    spells: tuple[timedelta, ...] = SPELLS  # when he may start the editor, after his day begins


@dataclass(frozen=True, slots=True)
class Scale:
    """How much a programmer does in a day; each from and to."""

    spells: tuple[int, int] = (1, 3)  # editor sessions, at most ``len(SPELLS)``
    documents: tuple[int, int] = (2, 4)  # opened in each
    characters: tuple[int, int] = (150, 700)  # missing in each document, to be written


@dataclass(frozen=True, slots=True)
class Session:
    """One programmer's day: written by simulate, read by whoever measures. It may end after midnight."""

    events: pa.Table  # EVENTS, as received, in the server's order
    truth: pa.Table  # TRUTH; two rows for each request that was received


Work = Generator[Asked, str | None, Session]


def user_number(number: int, dice: Dice, window: tuple[int, int]) -> User:
    """The programmer of this number; ``window``: characters that the client sends before and after the caret."""
    own = dice.at("user", number)
    chance = own.stream()
    before, after = window
    names = sorted(sources())
    # one in four works late, past midnight UTC; the others sit in Europe, Africa and Asia
    zone = -5.0 if number % 4 == 1 else chance.choice((0.0, 1.0, 1.0, 2.0, 5.5, 8.0))
    return User(
        user_id=f"user-{own.uuid()[:8]}",
        client=replace(CLIENTS[number % len(CLIENTS)], window_before=before, window_after=after),
        repositories=tuple(chance.sample(names, k=min(3, len(names)))),
        begins=timedelta(hours=9 - zone, minutes=chance.randint(0, 60)),
        pace=chance.uniform(0.09, 0.22),
        skew=clock_skew(chance),
    )


def work_day(user: User, day: date, model_version: str, dice: Dice, noise: Noise, scale: Scale) -> Work:
    """A day of the user; it stops at each request until the proposal comes."""
    own = dice.at(user.user_id, day.isoformat())
    chance = own.stream()
    begins = datetime.combine(day, time(), UTC) + user.begins
    documents: list[Document] = []
    intended: dict[str, str] = {}
    for spell in sorted(chance.sample(user.spells, k=chance.randint(*scale.spells))):
        now = begins + spell + timedelta(minutes=chance.randint(0, 40))
        session_id = own.at("session", spell).uuid()
        for number in range(chance.randint(*scale.documents)):
            source, text = _choose(user, chance)
            dice_here = own.at("session", spell, "document", number)
            place = Place(user.user_id, session_id, dice_here.uuid(), source.repository, source.path)
            client = replace(user.client, sends_offsets=user.client.changes != "nothing" or number % 2 == 0)
            document = Document(place, client, Witness(""), now)
            author = Author(user, day, model_version, dice_here)
            intended |= yield from author.work_on(document, text, chance.randint(*scale.characters))
            documents.append(document)
            now = document.now + timedelta(milliseconds=chance.randint(5_000, 400_000))
    rows = [row for document in documents for row in document.rows]
    received, lost = arrival(rows, noise, user.skew, own.at("noise").stream())
    fates = [fate for document in documents for fate in document.witness.abandoned()]
    events = pa.Table.from_pylist(received, schema=EVENTS)
    return Session(events, _truth(fates, intended, received, lost, user.skew))


@dataclass(frozen=True, slots=True)
class Author:
    """The user at one document, from its opening to its closing."""

    user: User
    day: date
    model_version: str
    dice: Dice

    def work_on(
        self, document: Document, source: Page, characters: int
    ) -> Generator[Asked, str | None, dict[str, str]]:
        """Open the document with stretches missing, write them in some order, close it: what was meant, by request."""
        chance = self.dice.at("visit").stream()
        intended: dict[str, str] = {}
        missing = stretches(source, chance, characters)
        document.witness.text, places = without(source, missing)
        document.marks.update(enumerate(places))
        document.open()
        order = list(range(len(missing)))
        chance.shuffle(order)
        for number in order:
            document.now += timedelta(milliseconds=chance.randint(1_500, 60_000))
            document.select(document.marks.pop(number))
            here = self.dice.at(number)
            programmer = self.user.programmer(
                document, missing[number], here.stream(), self.user.pace, here, self.day, self.model_version
            )
            yield from programmer.write()
            intended |= programmer.intended
        document.now += timedelta(milliseconds=chance.randint(800, 90_000))
        if chance.random() < 0.03:
            document.reload(document.text + "\n# checked out\n")
            document.now += timedelta(milliseconds=chance.randint(800, 20_000))
        if chance.random() < 0.92:  # else the editor is killed
            document.close()
        return intended


def _choose(user: User, chance: Random) -> tuple[Source, Page]:
    """A file that can be typed, six times in ten of the user's first repository."""
    files = [source for name in user.repositories for source in user.shelf[name]]
    name = user.repositories[0] if chance.random() < 0.6 else chance.choice(user.repositories)
    wanted = list(user.shelf[name])
    for source in [*chance.sample(wanted, k=len(wanted)), *files]:
        text = page(source)
        if text is not None:
            return source, text
    raise InputError(f"none of the {len(files)} files of {', '.join(user.repositories)} can be typed; reinstall Python")


def _truth(
    fates: Iterable[Fate], intended: dict[str, str], received: Sequence[Row], lost: Sequence[Row], skew: timedelta
) -> pa.Table:
    """Two rows for each request that arrived; times on the client's clock."""
    arrived = {row["request_id"]: row for row in received if row["kind"] == "requested"}
    came: dict[str, dict[int, datetime]] = defaultdict(dict)
    for row in received:
        came[row["document_id"]][row["seq"]] = row["occurred_at"]
    missing: dict[str, list[int]] = defaultdict(list)
    for row in lost:
        missing[row["document_id"]].append(row["seq"])
    rows = []
    for fate in fates:
        if (request := arrived.get(fate.request_id)) is None:
            continue
        document, closed_at = request["document_id"], fate.closed_at + skew
        # when a lost event was is not known, only which came after it
        until = min((seq for seq, at in came[document].items() if at > closed_at), default=None)
        holes = [seq for seq in missing[document] if seq > request["seq"] and (until is None or seq < until)]
        rows.append(
            {
                "request_id": fate.request_id,
                "policy": fate.policy,
                "committed": fate.committed,
                "close_reason": fate.close_reason,
                "closed_at": closed_at,
                "intended": intended[fate.request_id],
                "events_lost": bool(holes),
            }
        )
    return pa.Table.from_pylist(rows, schema=TRUTH)

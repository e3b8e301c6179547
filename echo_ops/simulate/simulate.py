"""Simulated telemetry: programmers at work for some days, what their editors report, and what they truly committed.

Everything follows from the seed, the arguments and the standard library's source: no clock, no order of files, no
hash of Python's. Another version of Python has other sources, and so other events.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.errors import InputError
from echo_ops.schema.events import EVENTS
from echo_ops.simulate.dice import Dice
from echo_ops.simulate.noise import Noise
from echo_ops.simulate.proposals import Asked, Proposer, RuleProposer
from echo_ops.simulate.truth import TRUTH
from echo_ops.simulate.workday import Scale, Session, User, Work, user_number, work_day

FIRST_DAY = date(2026, 11, 2)
BASE = "base"

ModelOf = Callable[[str, date], str]
"""Which model serves a user on a day."""


@dataclass(frozen=True, slots=True)
class Written:
    """What ``write`` wrote."""

    events: int
    requests: int


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
    team: Sequence[User] | None = None,
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
        team: the programmers themselves; default: ``users`` of them, who write the standard library.

    Raises:
        InputError: a number is out of range, or this Python has no sources.
    """
    for name, value in (("days", days), ("users", users), ("together", together)):
        if value < 1:
            raise InputError(f"{name} is {value}; it must be at least 1")
    dice = Dice(f"echo/{seed}")
    serve = proposer or RuleProposer(seed)
    model = model_of or (lambda user_id, day: BASE)
    people = team or [user_number(number, dice, window) for number in range(users)]
    work = (
        work_day(user, day, model(user.user_id, day), dice, noise or Noise(), scale or Scale())
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
    noise: Noise | None = None,
    scale: Scale | None = None,
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
        sessions = simulate(
            days=days,
            users=users,
            seed=seed,
            start=start,
            model_of=model_of,
            proposer=proposer,
            noise=noise,
            scale=scale,
        )
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


def _in_step(batch: list[Work], proposer: Proposer) -> Iterator[Session]:
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

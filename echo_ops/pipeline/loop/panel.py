"""What all models are measured on: requests of programmers whose files and corrections no model ever sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from echo_ops.simulate.dice import Dice
from echo_ops.simulate.noise import QUIET
from echo_ops.simulate.proposals import Asked
from echo_ops.simulate.simulate import simulate
from echo_ops.simulate.word_by_word import words_taken
from echo_ops.simulate.workday import Scale, User

REQUESTS = pa.schema(
    [
        pa.field(name, pa.string(), nullable=False)
        for name in ("request_id", "user_id", "repository", "prefix", "suffix")
    ]
    + [
        pa.field("meant", pa.string(), nullable=False),  # what the user goes on to write; empty where nothing
        pa.field("committed", pa.string(), nullable=False),  # what stands in the gap when it closes
    ]
)
"""The same requests for every model and every day. Written by ``requests``; read by ``serving``."""

ANSWERS = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("shown", pa.bool_(), nullable=False),  # something was proposed
        pa.field("accepted", pa.bool_(), nullable=False),  # all of it, or its first words
        pa.field("whole", pa.bool_(), nullable=False),  # all of it
        pa.field("kept_rate", pa.float64()),  # share of the proposal that is in the commit; null where nothing shown
    ]
)
"""What the panel does with a model's proposals. Written by ``answers``; read by ``figures``."""


class _Silence:
    """A proposer that proposes nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def propose(self, asked: Sequence[Asked]) -> list[str | None]:
        self.asked += asked
        return [None] * len(asked)


def requests(team: Sequence[User], day: date, scale: Scale, seed: int, limit: int) -> pa.Table:
    """Requests of a team that works for a day without any proposal; at most ``limit``, chosen by hash."""
    silence = _Silence()
    sessions = simulate(
        days=1, users=len(team), seed=seed, start=day, team=team, scale=scale, noise=QUIET, proposer=silence
    )
    truth = pa.concat_tables([session.truth for session in sessions]).to_pylist()
    committed = {row["request_id"]: row["committed"] for row in truth if row["policy"] == "default"}
    dice = Dice(f"loop/{seed}/panel")
    chosen = sorted(silence.asked, key=lambda asked: dice.at(asked.request_id).uuid())[:limit]
    names = ("request_id", "user_id", "repository", "prefix", "suffix", "meant")
    rows = [
        {name: getattr(asked, name) for name in names} | {"committed": committed.get(asked.request_id, "")}
        for asked in chosen
    ]
    return pa.Table.from_pylist(rows, schema=REQUESTS)


def answers(asked: pa.Table, proposals: Sequence[str]) -> pa.Table:
    """What the panel does with a model's proposals, by the rule of ``simulate.word_by_word``.

    Args:
        asked: REQUESTS.
        proposals: one for each row, empty for none.

    Returns:
        ANSWERS, in the order of ``asked``.
    """
    from echo_ops.training.scores import kept_rate

    rows = []
    for row, proposal in zip(asked.to_pylist(), proposals, strict=True):
        taken = words_taken(proposal, row["meant"])
        rows.append(
            {
                "request_id": row["request_id"],
                "user_id": row["user_id"],
                "shown": bool(proposal),
                "accepted": taken > 0,
                "whole": taken == len(proposal) > 0,
                "kept_rate": kept_rate(proposal, row["committed"]),
            }
        )
    return pa.Table.from_pylist(rows, schema=ANSWERS)

"""Who answers a request: a port, and the rule that serves where no model does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Protocol

from echo_ops.simulate.dice import Dice


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the server sees it, and below what only the simulation knows: a model must not look at that."""

    request_id: str
    user_id: str
    day: date
    repository: str
    path: str
    language: str
    model_version: str
    prefix: str
    suffix: str
    unit: str  # the source's continuation up to the end of the unit; what a user who writes here means
    beyond: str  # the source's continuation after that, a few lines
    meant: str  # what the user goes on to write here; empty where he means to write nothing


class Proposer(Protocol):
    """Proposes completions. Several requests come together where several programmers work at once."""

    def propose(self, asked: Sequence[Asked]) -> Sequence[str | None]:
        """One text for each request, in order; None or empty: nothing is shown."""
        ...


@dataclass(frozen=True, slots=True)
class RuleProposer:
    """Proposals by a stated rule, drawn by the request's id.

    A share ``true`` of the answers is the true continuation up to the unit's end, ``wrong_tail`` starts like it and
    ends with another line's words, ``over_long`` has the unit and then too much, ``unfitting`` is some other line of
    the document; the remaining requests get no answer.
    """

    seed: int
    true: float = 0.32
    wrong_tail: float = 0.22
    over_long: float = 0.12
    unfitting: float = 0.22

    def propose(self, asked: Sequence[Asked]) -> list[str | None]:
        return [self._answer(one) for one in asked]

    def _answer(self, asked: Asked) -> str | None:
        chance = Dice(f"proposal/{self.seed}").at(asked.request_id).stream()
        roll = chance.random()
        if roll < (limit := self.true):
            return asked.unit
        if roll < (limit := limit + self.wrong_tail):
            return _wrong_tail(asked, chance)
        if roll < (limit := limit + self.over_long):
            return asked.unit + (asked.beyond if chance.random() < 0.4 else "\n" + _other_line(asked, chance))
        if roll < limit + self.unfitting:
            return _other_line(asked, chance).strip()
        return None


def _wrong_tail(asked: Asked, chance: Random) -> str:
    words = re.findall(r"\w+|\s+|[^\w\s]", asked.unit)
    kept = "".join(words[: max(1, int(len(words) * chance.uniform(0.3, 0.85)))])
    strange = re.findall(r"\w+|[^\w\s]", _other_line(asked, chance))
    return kept + "".join(strange[-chance.randint(1, 4) :])


def _other_line(asked: Asked, chance: Random) -> str:
    lines = [line for line in (asked.prefix + "\n" + asked.suffix).split("\n") if len(line.strip()) > 3]
    return chance.choice(lines) if lines else "pass"

"""What a teacher is asked and what it answers: written by ``judge``, answered by ``syntax``, ``client`` or a fake."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from echo_ops.schema.verdicts import Verdict
from echo_ops.teacher.usage import Usage

CutKind = Literal["token", "expression", "statement", "line", "block", "whole", "none"]


@dataclass(frozen=True, slots=True)
class Cut:
    """A place in a commit where a unit ends."""

    offset: int  # code points of the commit before it; 0 for "nothing of this belongs to the request"
    kind: CutKind
    closes: bool  # the unit that ends here holds the commit's first character: it closes what the request opened


NOTHING = Cut(0, "none", False)
"""The cut that is always on offer: nothing of the commit belongs to the request."""


@dataclass(frozen=True, slots=True)
class Question:
    """One lifecycle whose commit is known. Written by ``judge``, read by every teacher."""

    language: str | None
    prefix: str
    suffix: str
    proposal: str | None
    committed: str
    cuts: tuple[Cut, ...]  # ascending, without NOTHING; empty where the commit is empty


@dataclass(frozen=True, slots=True)
class Answer:
    """What the teacher said. Written by a teacher, read by ``judge``. Probabilities are null where none are known."""

    cut: Cut  # one of the question's cuts, or NOTHING
    cut_probability: float | None
    verdict: Verdict
    verdict_probability: float | None


SILENCE = Answer(NOTHING, None, "silence", None)
"""What every teacher answers to an empty commit, without asking anybody: there is no text to judge."""


Progress = Callable[[int], None]
"""Told how many of the questions are answered so far."""


def silent(_answered: int) -> None:
    """Progress that nobody follows."""


class Teacher(Protocol):
    """Marks where the user's intent ends, and says whether the text is worth learning."""

    @property
    def name(self) -> str:
        """What stands in the column ``teacher``: "syntax", or the model's name."""

    @property
    def prompt_version(self) -> str:
        """What stands in the column ``prompt_version``; another one whenever an answer may differ."""

    @property
    def usage(self) -> Usage:
        """What it has cost so far."""

    def ask(self, questions: Iterable[Question], progress: Progress = silent) -> list[Answer | None]:
        """An answer to each question, in order; None where the teacher's answer had to be refused.

        Raises:
            TeacherError: the teacher is gone, or too many of its answers had to be refused.
            BudgetError: the budget of requests or tokens is used up.
        """


def last_cut(question: Question) -> Answer | None:
    """A teacher's rule for tests: all of the commit belongs to the request."""
    return Answer(question.cuts[-1], 1.0, "fill", 1.0) if question.cuts else SILENCE


class FakeTeacher:
    """A teacher that answers by a given rule and remembers what it was asked; for tests and dry runs."""

    def __init__(self, rule: Callable[[Question], Answer | None] = last_cut, name: str = "fake") -> None:
        self.rule = rule
        self.name = name
        self.prompt_version = "0"
        self.usage = Usage()
        self.asked: list[Question] = []

    def ask(self, questions: Iterable[Question], progress: Progress = silent) -> list[Answer | None]:
        """The rule's answer to each question."""
        asked = list(questions)
        self.asked += asked
        progress(len(asked))
        return [self.rule(question) for question in asked]

"""Who works on which files: several on each project, each on files of his own, which nobody else ever opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from echo_ops.errors import InputError
from echo_ops.pipeline.loop.plan import OTHER_PROJECTS, PROJECTS, Plan
from echo_ops.simulate.dice import Dice
from echo_ops.simulate.sources import Source, package
from echo_ops.simulate.word_by_word import WordByWord
from echo_ops.simulate.workday import User, user_number

WINDOW = (2048, 1024)
SHARES = {"users": 5, "early": 1, "panel": 1}
"""Of a project's files, by user; who writes for days needs more of them than who is measured once."""


@dataclass(frozen=True, slots=True)
class Teams:
    """The programmers."""

    users: list[User]  # whose corrections are learned
    early: list[User]  # who try a challenger first, and do not consent to be learned from
    panel: list[User]  # on whom is measured, in the same projects
    others: list[User]  # on whom is measured, in other projects


def teams(plan: Plan) -> Teams:
    """All programmers of a proof, with their files.

    Raises:
        InputError: a project has too few files for so many users.
    """
    sizes = {"users": plan.users, "early": plan.early, "panel": plan.panel}
    found: dict[str, list[User]] = {group: [] for group in sizes}
    for number, project in enumerate(PROJECTS):
        seats = [
            group
            for group, size in sizes.items()
            for _ in range(number, size, len(PROJECTS))
            for _ in range(SHARES[group])
        ]
        hands = _deal(project, len(seats), plan.seed)
        at = 0
        while at < len(seats):
            group = seats[at]
            files = [file for hand in hands[at : at + SHARES[group]] for file in hand]
            user = _user(f"{group}-{len(found[group])}", project, files, plan.seed)
            if group == "early":
                user = replace(user, begins=timedelta(hours=1), spells=(timedelta(),))
            found[group].append(user)
            at += SHARES[group]
    others = []
    for project in OTHER_PROJECTS:
        of_project = plan.panel // len(OTHER_PROJECTS)
        for number, files in enumerate(_deal(project, of_project, plan.seed)):
            others.append(_user(f"others-{project}-{number}", project, files, plan.seed))
    return Teams(**found, others=others)


def _deal(project: str, hands: int, seed: int) -> list[list[Source]]:
    """The files of a project in so many parts, in an order by hash."""
    dice = Dice(f"loop/{seed}/{project}")
    files = sorted(package(project), key=lambda file: dice.at(file.path).uuid())
    if len(files) < hands:
        raise InputError(f"{project} has {len(files)} files, {hands} are needed for so many users; lower --users")
    return [files[number::hands] for number in range(hands)]


def _user(name: str, project: str, files: Sequence[Source], seed: int) -> User:
    usual = user_number(0, Dice(f"loop/{seed}/{name}"), WINDOW)
    return replace(usual, repositories=(project,), shelf={project: tuple(files)}, programmer=WordByWord)

"""Programmers who accept word by word: when they ask, and what they take."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from echo_ops.errors import InputError
from echo_ops.simulate.document import Client
from echo_ops.simulate.noise import QUIET
from echo_ops.simulate.proposals import Asked
from echo_ops.simulate.simulate import simulate
from echo_ops.simulate.sources import package, page
from echo_ops.simulate.word_by_word import WordByWord, words_taken
from echo_ops.simulate.workday import Scale, User


@pytest.mark.parametrize(
    ("proposal", "meant", "taken"),
    [
        ("lf.nodes", "lf.nodes = 1", "lf.nodes"),
        ("lf.edges", "lf.nodes = 1", "lf."),
        ("lf", "lf.nodes", "lf"),
        ("conf", "config = 1", ""),  # a word that is only begun
        ("config2 = 1", "config = 1", ""),  # another word
        ("lf, *args", "lf, x)", "lf,"),
        (" = 1", " = 1", " = 1"),
        ("", "lf", ""),
        ("lf", "", ""),  # who means nothing takes nothing
        ("turn x\n    y", "turn x\n    z", "turn x"),
    ],
)
def test_words_are_taken_while_they_are_the_ones_meant(proposal: str, meant: str, taken: str) -> None:
    assert proposal[: words_taken(proposal, meant)] == taken


class Half:
    """Proposes to every other request what is meant, and something else to the others."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def propose(self, asked: list[Asked]) -> list[str | None]:
        self.asked += asked
        return [one.meant[:12] if int(one.request_id[-1], 16) % 2 else "nonsense(" for one in asked]


def test_they_ask_inside_of_words_and_take_what_they_mean() -> None:
    files = package("networkx")[:12]
    user = User("u", Client(), ("networkx",), timedelta(hours=9), 0.1, timedelta(0), {"networkx": files}, WordByWord)
    half = Half()
    scale = Scale(spells=(1, 1), documents=(6, 6), characters=(600, 600))
    (session,) = simulate(
        days=1, users=1, seed=3, start=date(2026, 11, 2), team=[user], proposer=half, scale=scale, noise=QUIET
    )
    meant = {one.request_id: one.meant for one in half.asked}
    assert sum(map(bool, meant.values())) > 40
    for one in half.asked:
        if one.meant:
            begun = re.search(r"\w*\Z", one.prefix)
            assert begun is not None
            assert len(begun[0]) <= 2
            assert one.meant[0].isidentifier()
    kinds = {"accepted", "partially_accepted", "rejected", "ignored"}
    decided = {row["request_id"]: row["kind"] for row in session.events.to_pylist() if row["kind"] in kinds}
    shown = {row["request_id"]: row["proposal"] for row in session.events.to_pylist() if row["kind"] == "shown"}
    assert len(shown) > 30
    for request, proposal in shown.items():
        taken = words_taken(proposal, meant[request])
        if decided[request] == "accepted":
            assert taken == len(proposal)
        elif decided[request] == "partially_accepted":
            assert 0 < taken < len(proposal)
        else:
            assert taken == 0 or proposal[:1] in ")]}"  # a bracket that the editor has closed is typed over


def test_they_do_not_ask_in_prose() -> None:
    pages = [found for file in package("networkx")[:20] if (found := page(file))]
    text, prose = next((one.text, one.prose) for one in pages if len(one.prose) > 3)
    assert all(text[start] in "#\"'rR" for start, _ in prose)
    here = next(one for one in pages if one.text == text)
    start, end = prose[1]
    assert here.is_prose(start + 1)
    assert here.is_prose(end)
    assert not here.is_prose(end + 1)


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no_such_package is not installed"):
        package("no_such_package")

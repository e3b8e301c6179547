"""A programmer who accepts word by word: the habit by which a small model, too, is of use to somebody.

The rule, the same for every model: he asks in code, not in prose, where a word begins after ``. ( = ,``, a keyword or
a line's start, when he has typed none, one or two of its characters; he takes the proposal's words up to the first that
is not the one he means, and nothing where that is the first. He looks only at what he means to write.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from echo_ops.simulate.programmer import Programmer
from echo_ops.simulate.proposals import Asked

ASKS = 0.8
"""Share of such places at which he stops long enough for a request."""

TYPED = (0, 1, 2)
"""Characters of the word that he has typed when he asks, by chance."""

_BEGUN = re.compile(r"\w*\Z")
_WORD_BEFORE = re.compile(r"[a-z]+\Z")
_WORDS = re.compile(r"\s*(?:\w+|[^\w\s]+)|\s+\Z")


@dataclass(slots=True)
class WordByWord(Programmer):
    """See the module."""

    elsewhere: ClassVar[float] = 0.1

    def _pauses(self) -> bool:
        if self.hurry:
            self.hurry -= 1
            return False
        text, at = self.stretch.page.text, self.stretch.at
        begun = len(_BEGUN.search(text[max(0, at - 40) : at])[0])  # type: ignore[index]
        place = self.dice.at("word", at - begun).stream()
        return (
            self.asked_at != at
            and begun == place.choice(TYPED)
            and text[at : at + 1].isidentifier()
            and not self.stretch.page.is_prose(at)
            and _invites(text[max(0, at - begun - 80) : at - begun])
            and place.random() < ASKS
        )

    def _see(self, asked: Asked, proposal: str, plan: str, chance: Random) -> None:
        right, standing = self._look_at(asked, proposal, chance)
        taken = words_taken(proposal, asked.meant)
        if not asked.meant:
            self._refuse(asked, chance.random(), chance)
        elif taken == len(proposal):
            self._accept(asked, proposal, right, standing, chance)
        elif taken:
            self._accept_part(asked, proposal[:taken])
        elif chance.random() < 0.3:
            self._decide("rejected", asked)
        else:
            self._type_through(asked, chance)


def words_taken(proposal: str, meant: str) -> int:
    """Characters of a proposal that are accepted: its words, with the blanks before them, while they are those meant.

    A word that is only begun is not the one meant: of ``conf`` nothing is taken where ``config`` is meant.
    """
    taken = 0
    for proposed, word in zip(_WORDS.finditer(proposal), _WORDS.finditer(meant), strict=False):
        if proposed[0] != word[0]:
            break
        taken = proposed.end()
    return taken


def _invites(before: str) -> bool:
    """Whether a word that begins here is one that people stop at: ``before`` is what precedes it."""
    last = before.rstrip(" ")
    if not last or last[-1] in ".(=,\n":
        return True
    word = _WORD_BEFORE.search(last)
    return before != last and word is not None and keyword.iskeyword(word[0])

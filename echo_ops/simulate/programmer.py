"""A programmer at a document: types what is missing, asks for completions, and does with them what people do.

The rules are stated where they stand. All of them look at what the user means to write, and none at which model
proposed: the same text is treated alike whoever it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import date
from random import Random
from typing import ClassVar

from echo_ops.schema.events import Kind
from echo_ops.simulate.dice import Dice
from echo_ops.simulate.document import LANGUAGE
from echo_ops.simulate.proposals import Asked
from echo_ops.simulate.truth import Edit
from echo_ops.simulate.typist import Typist

Turn = Generator[Asked, str | None, None]
"""Work that stops at each request until the proposal comes."""

DEBOUNCE = 0.075
"""Seconds without a key before the editor asks."""

BUSY_ELSEWHERE = 0.34
"""Share of the requests that find the user at something else than writing on."""

ASKS_AFTER = {"(": 0.30, ".": 0.22, "=": 0.45, ",": 0.22, ":": 0.20, " ": 0.05, "\n": 0.65}
"""How often a typist pauses long enough for a request, by the character before the caret; elsewhere 0.015."""


@dataclass(slots=True)
class Programmer(Typist):
    """One user at one stretch of a document."""

    elsewhere: ClassVar[float] = BUSY_ELSEWHERE

    dice: Dice
    day: date
    model_version: str
    intended: dict[str, str] = field(default_factory=dict, init=False)  # by request: what was meant to go into the gap
    asked_at: int = field(default=-1, init=False)  # where the last request was made, in the page
    hurry: int = field(default=0, init=False)  # characters to be typed before the next request

    # --- the course of the work

    def write(self) -> Turn:
        """Write the stretch from its start to its end; the caret stands where it belongs."""
        stretch = self.stretch
        while stretch.at < stretch.end:
            self.settle_indentation()
            if self._pauses():
                yield from self.ask()
            elif self.chance.random() < 0.006:
                self.slip()
            elif self.chance.random() < 0.02 and self.last() == "\n":
                self.paste()
            else:
                self.type_next()

    def ask(self) -> Turn:
        """Ask for a completion at the caret, and do with it what the user does."""
        document, stretch = self.document, self.stretch
        chance = self.dice.at("request", stretch.at, document.seq).stream()
        self.asked_at = stretch.at
        self.wait(DEBOUNCE)
        end = stretch.unit_end(chance)
        plan = self._plan(chance)
        asked = self._asked(document.request(self.model_version), end, stretch.rest if plan == "write" else "")
        self.intended[asked.request_id] = "" if plan in ("leave", "doubt", "erase") else stretch.into_gap(end)
        proposal = yield asked
        latency = chance.uniform(0.15, 0.6)
        if plan == "write" and chance.random() < 0.2:  # the next keys come before the answer
            self.hurry = chance.randint(2, 9)
            return
        self.wait(latency)
        if proposal:
            self._see(asked, proposal, plan, chance)
        if plan == "think":
            self.wait(chance.uniform(31, 200))
        elif plan == "leave":
            yield from self._leave(chance)
        elif plan == "doubt":
            self._doubt(chance)
        elif plan == "erase":
            self._erase(chance)
        elif plan == "rewrite":
            self._rewrite(chance)

    def _pauses(self) -> bool:
        if self.hurry:
            self.hurry -= 1
            return False
        if self.asked_at == self.stretch.at or (self.stretch.rest[:1] == "\n" and self.last() in "\n "):
            return False
        if self.stretch.closers and self.stretch.closers[-1] == self.stretch.at:
            return False
        share = ASKS_AFTER.get(self.last(), 0.015)
        return self.chance.random() < share

    def _plan(self, chance: Random) -> str:
        """Two of three requests come while the user writes on; the others find him at something else."""
        plain = not self.stretch.closers and not self.loose
        roll = chance.random() * BUSY_ELSEWHERE / self.elsewhere
        if roll < 0.11:
            return "think"
        if roll < 0.22 and plain:
            return "leave"
        if roll < 0.25 and plain:
            return "doubt"
        if roll < 0.28 and plain and self.last().isalnum():
            return "erase"
        if roll < BUSY_ELSEWHERE and plain:
            return "rewrite"
        return "write"

    def _asked(self, request_id: str, end: int, meant: str) -> Asked:
        place, stretch = self.document.place, self.stretch
        prefix, suffix = self.document.windows()
        text = stretch.page.text
        return Asked(
            request_id=request_id,
            user_id=place.user_id,
            day=self.day,
            repository=place.repository,
            path=place.path,
            language=LANGUAGE,
            model_version=self.model_version,
            prefix=prefix,
            suffix=suffix,
            unit=text[stretch.at : end],
            beyond=text[end : stretch.page.statement_end(min(end + 1, len(text)))],
            meant=meant,
        )

    # --- what is done with a proposal

    def _see(self, asked: Asked, proposal: str, plan: str, chance: Random) -> None:
        """The rule of acceptance.

        Who means to write nothing here, rejects (35 %) or ignores. Else, by what the proposal has in common with
        what the user means: all of it is right → accept (75 %) or type through it; all that is meant, then too much →
        accept and delete the rest (35 %), accept word by word (25 %) or type on; right for at least 40 % and four
        characters → accept the right words (30 %), accept and correct (20 %) or type on; else reject (30 %) or
        ignore. One in 25 accepted proposals is undone.
        """
        right, standing = self._look_at(asked, proposal, chance)
        roll = chance.random()
        if plan != "write":
            self._refuse(asked, roll, chance)
        elif right == len(proposal) and roll < 0.75:
            self._accept(asked, proposal, right, standing, chance)
        elif right == len(proposal):
            self._type_through(asked, chance)
        elif right >= len(asked.unit):
            if roll < 0.35:
                self._accept(asked, proposal, right, standing, chance)
            elif roll < 0.6:
                self._accept_part(asked, proposal[: len(asked.unit)])
            else:
                self._type_through(asked, chance)
        elif right >= max(4, 0.4 * len(asked.unit)):
            if roll < 0.3:
                self._accept_part(asked, _whole_words(proposal, right))
            elif roll < 0.5:
                self._accept(asked, proposal, right, standing, chance)
            else:
                self._type_through(asked, chance)
        elif roll < 0.3:
            self._decide("rejected", asked)
        else:
            self._type_through(asked, chance)

    def _look_at(self, asked: Asked, proposal: str, chance: Random) -> tuple[int, int]:
        """Show the proposal: how much of it is right, and how many closing brackets that stand there it replaces."""
        document, stretch = self.document, self.stretch
        right = common(proposal, stretch.rest)
        standing = sum(1 for closer in stretch.closers if closer - stretch.at < right)
        document.show(asked.request_id, self.model_version, proposal, document.caret + standing)
        self.wait(chance.uniform(0.4, 2.5))
        return right, standing

    def _refuse(self, asked: Asked, roll: float, chance: Random) -> None:
        if roll < 0.35:
            self._decide("rejected", asked)
        else:
            self.wait(chance.uniform(0.2, 4))
            self._decide("ignored", asked)

    def _accept(self, asked: Asked, proposal: str, right: int, standing: int, chance: Random) -> None:
        document, stretch = self.document, self.stretch
        caret = document.caret
        edits = [Edit(caret, caret + standing, proposal)]
        imported = ""
        if chance.random() < 0.01 and caret > 0 and not stretch.closers:
            imported = "import types\n"  # an auto-import comes with the accept, as a second edit of one event
            edits.insert(0, Edit(0, 0, imported))
        covered = document.text[caret : caret + standing]
        document.change(edits, caret + len(imported) + len(proposal), "accept")
        self._decide("accepted", asked)
        if not imported and chance.random() < 0.04:
            self.wait(chance.uniform(0.5, 3))
            document.change([Edit(caret, caret + len(proposal), covered)], caret, "undo")
            self.wait(chance.uniform(0.5, 2))
            return
        self._written(right)
        if excess := len(proposal) - right:
            self.wait(chance.uniform(0.5, 3))
            self.delete(excess, by_key=excess <= 4)

    def _accept_part(self, asked: Asked, part: str) -> None:
        """Word by word: the part is right and ends before any bracket that stands there already."""
        stretch, document = self.stretch, self.document
        part = stretch.into_gap(stretch.at + len(part))
        if not part:
            self._decide("rejected", asked)
            return
        document.change([Edit(document.caret, document.caret, part)], document.caret + len(part), "accept")
        self._decide("partially_accepted", asked)
        self._written(len(part))

    def _type_through(self, asked: Asked, chance: Random) -> None:
        """Types on; the ghost text stays for a while, and the editor asks again soon: both requests share a commit."""
        for _ in range(chance.randint(1, 4)):
            if self.stretch.at < self.stretch.end:
                self.settle_indentation()
                self.type_next()
        self._decide("ignored", asked)
        self.hurry = chance.randint(0, 6)

    def _decide(self, kind: Kind, asked: Asked) -> None:
        self.document.decide(kind, asked.request_id, self.model_version)

    def _written(self, count: int) -> None:
        stretch = self.stretch
        stretch.at += count
        stretch.closers = [closer for closer in stretch.closers if closer >= stretch.at]
        self.asked_at = -1

    # --- what people do instead of writing on

    def _leave(self, chance: Random) -> Turn:
        """Goes elsewhere in the document and comes back, in a third of the cases within half a minute."""
        document = self.document
        document.marks["back"] = document.caret
        self.wait(chance.uniform(0.5, 4))
        line_ends = [
            m.start() for m in re.finditer(r"(?<=\S)\n", document.text) if abs(m.start() - document.caret) > 80
        ]
        if line_ends and chance.random() < 0.75:
            document.select(chance.choice(line_ends))
            self.wait(chance.uniform(0.5, 3))
            if chance.random() < 0.3:
                self._copy_line(chance)
            else:
                yield from self._comment(chance)
        self.wait(chance.uniform(2, 20) if chance.random() < 1 / 3 else chance.uniform(25, 240))
        document.select(document.marks.pop("back"))
        self.wait(chance.uniform(0.3, 2))

    def _comment(self, chance: Random) -> Turn:
        """Writes a remark at the caret, at the end of some other line; the editor asks there too."""
        document = self.document
        for key in chance.choice(("  # see below", "  # TODO", "  # noqa", "  # 🐍 slow path")):
            self.insert(key)
        if chance.random() < 0.6:
            self.wait(DEBOUNCE)
            prefix_end = self.stretch.at
            asked = self._asked(document.request(self.model_version), prefix_end, "")
            self.intended[asked.request_id] = ""
            proposal = yield asked
            self.wait(chance.uniform(0.15, 0.6))
            if proposal:
                document.show(asked.request_id, self.model_version, proposal, document.caret)
                self.wait(chance.uniform(0.3, 1.5))
                self._decide("rejected" if chance.random() < 0.35 else "ignored", asked)

    def _copy_line(self, chance: Random) -> None:
        """Copies the caret's line down, and mostly takes it back."""
        document = self.document
        start = document.text.rfind("\n", 0, document.caret) + 1
        line = document.text[start : document.caret]
        document.change([Edit(document.caret, document.caret, "\n" + line)], document.caret + 1 + len(line), "paste")
        if chance.random() < 0.7:
            self.wait(chance.uniform(0.5, 5))
            back = document.caret - 1 - len(line)
            document.change([Edit(back, document.caret, "")], back, "undo")

    def _doubt(self, chance: Random) -> None:
        """Types something and takes all of it back, then thinks."""
        document = self.document
        words = chance.choice(("self", "if x", "res", "return", "# hm"))
        for key in words:
            self.insert(key)
        self.wait(chance.uniform(0.5, 3))
        if chance.random() < 0.5:
            self.delete(len(words), by_key=True)
        else:
            start = document.caret - len(words)
            document.change([Edit(start, document.caret, "")], start, "undo")
            if chance.random() < 0.2:
                self.wait(0.7)
                document.change([Edit(start, start, words)], start + len(words), "redo")
                self.wait(0.9)
                self.delete(len(words), by_key=False)
        self.wait(chance.uniform(31, 90))

    def _erase(self, chance: Random) -> None:
        """Backspaces into what stood before the caret, with a pause or without, and writes it again."""
        stretch = self.stretch
        written = stretch.page.text[max(stretch.start, stretch.at - 4) : stretch.at]
        count = min(chance.randint(1, 4), len(written) - len(written.rstrip("_" + "abcdefghijklmnopqrstuvwxyz")))
        if count and self.document.text[: self.document.caret].endswith(written):
            self.delete(count, by_key=True)
            stretch.at -= count
        self.wait(chance.uniform(31, 60) if chance.random() < 0.5 else chance.uniform(0.3, 2))

    def _rewrite(self, chance: Random) -> None:
        """Writes a few characters, selects all of the line, and types it anew: the selection crosses the gap's edge."""
        stretch, document = self.stretch, self.document
        line = re.match(r"[\w .]{1,8}", stretch.rest)
        for key in line[0] if line else "":
            self.insert(key)
            stretch.at += 1
        self.wait(chance.uniform(0.4, 4))
        line_start = document.text.rfind("\n", 0, document.caret) + 1
        selected = document.text[line_start : document.caret].lstrip()
        back = stretch.at - len(selected)
        if selected and back >= stretch.start and stretch.page.text[back : stretch.at] == selected:
            start = document.caret - len(selected)
            document.change([Edit(start, document.caret, selected[0])], start + 1)
            stretch.at = back + 1


def common(one: str, other: str) -> int:
    """How many characters two texts have in common from the start."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _whole_words(proposal: str, right: int) -> str:
    """The words of the proposal that are right to their end."""
    return "".join(word[0] for word in re.finditer(r"\w+|\s+|[^\w\s]", proposal) if word.end() <= right)

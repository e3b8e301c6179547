"""Prompts: Markdown files beside this module, the common part first so that the server's prefix cache holds it.

``common.md`` is the system message, ``cut.md`` the first question, ``verdict.md`` the second one of the same talk.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from echo_ops.errors import InputError
from echo_ops.schema.verdicts import Verdict
from echo_ops.teacher.port import Question

VERSION = "1"
"""Raised by hand when a prompt is meant to change; a hash of the files beside it catches what was not meant."""

NAMES = ("common", "cut", "verdict")

VERDICT_LETTERS: dict[str, Verdict] = {
    "A": "fill",
    "B": "silence",
    "C": "reject_boundary",
    "D": "reject_inconsistent",
    "E": "reject_noise",
}
"""One letter, so one token, per verdict; in the order of ``verdict.md``."""

COMMIT_SHOWN = 4000
"""Characters of the commit that the teacher sees; beyond, its middle is left out (no lesson is that long)."""

FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")
FIELDS = ("language", "before", "after", "proposal", "commit", "last")
"""What stands in ``cut``; ``commit`` and ``last`` must, and ``common`` and ``verdict`` are without."""

Messages = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Prompts:
    """The three texts, and the version that stands on every row. Written by ``built_in`` or ``prompt_registry``."""

    common: str
    cut: str
    verdict: str
    version: str

    def __post_init__(self) -> None:
        """Raises InputError: a field is missing, unknown, or where it would not be filled; or a verdict has no line."""
        found = set(FIELD.findall(self.cut))
        if missing := [name for name in ("commit", "last") if name not in found]:
            raise InputError(f"prompt {self.version}: the question of the cut lacks {_named(missing)}; add it")
        if unknown := sorted(found - set(FIELDS)):
            raise InputError(f"prompt {self.version}: {_named(unknown)} is unknown; there are {_named(FIELDS)}")
        if stray := sorted({*FIELD.findall(self.common), *FIELD.findall(self.verdict)}):
            raise InputError(
                f"prompt {self.version}: {_named(stray)} stands outside the question of the cut; nothing fills it"
            )
        if missing := [letter for letter in VERDICT_LETTERS if not re.search(rf"^{letter}:", self.verdict, re.M)]:
            raise InputError(
                f"prompt {self.version}: the question of worth lacks a line for {', '.join(missing)}; each verdict "
                f"needs one: {', '.join(f'{letter}: {name}' for letter, name in VERDICT_LETTERS.items())}"
            )

    def ask_for_cut(self, question: Question, context_characters: int) -> Messages:
        """The messages of the first question: common part, context, proposal, the commit with its cuts marked.

        Args:
            question: with at least one cut.
            context_characters: characters of the prefix's tail that are shown; of the suffix's head a quarter of it.
        """
        shown = {
            "language": question.language or "unknown",
            "before": _unmarked(question.prefix[-context_characters:]),
            "after": _unmarked(question.suffix[: context_characters // 4]),
            "proposal": _unmarked((question.proposal or "")[:COMMIT_SHOWN]),
            "commit": marked(question),
            "last": str(len(question.cuts)),
        }
        # one pass: what a user's text brings along is never taken for a field
        filled = FIELD.sub(lambda field: shown[field[1]], self.cut)
        return [{"role": "system", "content": self.common}, {"role": "user", "content": filled}]

    def ask_for_verdict(self, first: Messages, cut: str) -> Messages:
        """The messages of the second question: the first talk, its answer, and the question of worth."""
        return [*first, {"role": "assistant", "content": cut}, {"role": "user", "content": self.verdict}]


@cache
def built_in() -> Prompts:
    """The files beside this module; their version is ``VERSION`` and a hash of the three."""
    place = files("echo_ops.teacher").joinpath("prompts")
    common, cut, verdict = (place.joinpath(f"{name}.md").read_text("utf-8").strip() for name in NAMES)
    digest = hashlib.sha256(f"{common}\0{cut}\0{verdict}".encode()).hexdigest()[:8]
    return Prompts(common, cut, verdict, f"{VERSION}-{digest}")


def marked(question: Question) -> str:
    """The commit with ⟦1⟧, ⟦2⟧, … at its cuts, its middle left out where it is very long."""
    parts: list[str] = []
    start = 0
    for number, cut in enumerate(question.cuts, 1):
        parts.append(_shortened(_unmarked(question.committed[start : cut.offset])))
        parts.append(f"⟦{number}⟧")
        start = cut.offset
    return "".join(parts)


def _shortened(piece: str) -> str:
    """A piece between two cuts: only the last one, beyond the parsed window, can be long."""
    if len(piece) <= COMMIT_SHOWN:
        return piece
    half = COMMIT_SHOWN // 2
    return f"{piece[:half]}\n… {len(piece) - 2 * half} characters left out …\n{piece[-half:]}"


def _unmarked(piece: str) -> str:
    """Users' text without the brackets that mark cuts."""
    return piece.replace("⟦", "[[").replace("⟧", "]]")


def _named(fields: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"{{{{{name}}}}}" for name in fields)

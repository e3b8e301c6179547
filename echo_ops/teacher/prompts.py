"""Prompts: Markdown files beside this module, the common part first so that the server's prefix cache holds it.

``common.md`` is the system message, ``cut.md`` the first question, ``verdict.md`` the second one of the same talk.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files

from echo_ops.schema.verdicts import Verdict
from echo_ops.teacher.port import Question

VERSION = "1"
"""Raised by hand when a prompt is meant to change; a hash of the files beside it catches what was not meant."""

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

Messages = list[dict[str, str]]


@cache
def text(name: str) -> str:
    """One prompt file."""
    return files("echo_ops.teacher").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8").strip()


@cache
def version() -> str:
    """The prompts' version: ``VERSION`` and a hash of the three files."""
    content = "\0".join(text(name) for name in ("common", "cut", "verdict"))
    return f"{VERSION}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def ask_for_cut(question: Question, context_characters: int) -> Messages:
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
    filled = re.sub(r"\{\{(\w+)\}\}", lambda field: shown[field[1]], text("cut"))
    return [{"role": "system", "content": text("common")}, {"role": "user", "content": filled}]


def ask_for_verdict(first: Messages, cut: str) -> Messages:
    """The messages of the second question: the first talk, its answer, and the question of worth."""
    return [*first, {"role": "assistant", "content": cut}, {"role": "user", "content": text("verdict")}]


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

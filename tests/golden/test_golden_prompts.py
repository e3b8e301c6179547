"""Prompts as the teacher's server gets them. Write them anew with ECHO_GOLDEN=write, and read the diff."""

import os
from pathlib import Path

import pytest

from echo_ops.teacher import prompts
from echo_ops.teacher.cutpoints import cut_points
from echo_ops.teacher.port import Question

GOLDEN = Path(__file__).parent / "prompts"

CASES = {
    "python": (
        "python",
        "def mean(xs):\n    total = ",
        "\n\n\nprint(mean([1]))\n",
        "0",
        "sum(xs)\n    return total / len(xs)\n",
    ),
    "no_proposal": ("go", "package a\n\nfunc f() int {\n\tret", "\n}\n", None, "urn 1"),
    "no_grammar": (None, "Dear ", "\nYours\n", "all,", "Jane,\n\nthank you"),
}


@pytest.mark.parametrize("name", CASES)
def test_prompt(name: str) -> None:
    language, prefix, suffix, proposal, committed = CASES[name]
    cuts = cut_points(language, prefix, committed, suffix)
    first = prompts.built_in().ask_for_cut(Question(language, prefix, suffix, proposal, committed, cuts), 2000)
    talk = prompts.built_in().ask_for_verdict(first, "1")
    rendered = "\n".join(f"──── {message['role']}\n{message['content']}" for message in talk) + "\n"
    path = GOLDEN / f"{name}.md"
    if os.environ.get("ECHO_GOLDEN") == "write":
        path.write_text(rendered, encoding="utf-8")
    assert rendered == path.read_text(encoding="utf-8")


def test_the_version_changes_with_the_text() -> None:
    # a new number here is a new version for every cached answer: raise prompts.VERSION with it when it is meant
    assert prompts.built_in().version == "1-3184bbbc"

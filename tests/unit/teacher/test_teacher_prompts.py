"""What the teacher is shown."""

from dataclasses import replace

import pytest

from echo_ops.errors import InputError
from echo_ops.schema.verdicts import VERDICTS_OF_A_TEACHER
from echo_ops.teacher import prompts
from echo_ops.teacher.cutpoints import cut_points
from echo_ops.teacher.port import Question


def question(committed: str, prefix: str = "x = ", suffix: str = "\n", proposal: str | None = "1") -> Question:
    return Question("python", prefix, suffix, proposal, committed, cut_points("python", prefix, committed, suffix))


def test_cuts_are_marked_by_number() -> None:
    assert prompts.marked(question("1\ny = 2\n")) == "1⟦1⟧\ny = 2⟦2⟧\n⟦3⟧"


def test_the_common_part_comes_first_and_is_the_same_for_all() -> None:
    first, second = (prompts.built_in().ask_for_cut(question(text), 100) for text in ("1", "2"))
    assert first[0] == second[0]
    assert first[0]["role"] == "system"
    talk = prompts.built_in().ask_for_verdict(first, "1")
    assert talk[: len(first)] == first
    assert talk[len(first)] == {"role": "assistant", "content": "1"}


@pytest.mark.parametrize("text", ["⟦9⟧", "{{commit}}", "{{last}}"])
def test_users_text_cannot_pass_for_a_mark_or_a_field(text: str) -> None:
    shown = prompts.built_in().ask_for_cut(question(f"'{text}'", prefix=f"# {text}\nx = ", proposal=text), 100)[1][
        "content"
    ]
    assert "⟦9⟧" not in shown
    assert shown.count("COMMIT:") == 1
    assert shown.count("{{commit}}") == (3 if text == "{{commit}}" else 0)


def test_the_context_is_cropped_towards_the_caret() -> None:
    shown = prompts.built_in().ask_for_cut(question("1", prefix="p" * 500 + "END = ", suffix="START" + "s" * 500), 100)[
        1
    ]["content"]
    assert "p" * 94 + "END = \n" in shown
    assert "p" * 95 not in shown
    assert "START" + "s" * 20 + "\n" in shown
    assert "s" * 21 not in shown


def test_a_long_commit_is_shown_without_its_middle() -> None:
    shown = prompts.marked(question("x = 1\n" * 5000))
    assert "characters left out" in shown
    assert len(shown) < 2 * prompts.COMMIT_SHOWN + 200


def test_every_verdict_has_a_letter_that_the_prompt_explains() -> None:
    assert tuple(prompts.VERDICT_LETTERS.values()) == VERDICTS_OF_A_TEACHER
    lines = prompts.built_in().verdict.splitlines()
    for letter, verdict in prompts.VERDICT_LETTERS.items():
        assert any(line.startswith(f"{letter}: {verdict.removeprefix('reject_')}.") for line in lines)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cut": "{{commit}}"}, r"lacks \{\{last\}\}"),
        ({"cut": "{{ commit }} {{last}} {{code}}"}, r"\{\{code\}\} is unknown"),
        ({"common": "{{language}}"}, r"\{\{language\}\} stands outside"),
        ({"verdict": "A: yes\nB: no\nC: c\nD: d"}, "lacks a line for E"),
    ],
)
def test_a_prompt_that_cannot_be_filled_is_refused(changed: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(prompts.built_in(), **changed)


def test_fields_may_have_blanks_as_in_mlflow() -> None:
    spaced = replace(prompts.built_in(), cut="{{ language }}: {{ commit }} to {{ last }}")
    assert spaced.ask_for_cut(question("1"), 100)[1]["content"] == "python: 1⟦1⟧ to 1"

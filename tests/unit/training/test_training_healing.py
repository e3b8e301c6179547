"""A word that is begun at the caret is written again, and as it was begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from echo_ops.settings import Training
from echo_ops.training.evaluate import evaluate
from echo_ops.training.fim import Layout
from echo_ops.training.generation import Asked, TransformersGenerator
from echo_ops.training.healing import begun, healed

TRAINING = Training(context_tokens=96, max_new_tokens=16)


@pytest.mark.parametrize(
    ("prefix", "word"), [("x = se", "se"), ("x = ", ""), ("self.na", "na"), ("a_b", "b"), ("naï", ""), ("", "")]
)
def test_the_begun_word_goes_to_the_lesson(prefix: str, word: str) -> None:
    assert begun(prefix) == word
    before, lesson = healed(prefix, "lf.x\n")
    assert before + lesson == prefix + "lf.x\n"
    assert lesson == word + "lf.x\n"


@pytest.mark.parametrize("word", ["", "s", "se", "zq", "self" * 5])
def test_what_is_written_begins_with_the_word(small_model: Path, word: str) -> None:
    generator = TransformersGenerator(str(small_model), TRAINING)
    layout = generator.layout
    asked = [Asked(layout.prompt("x = ", "", 64, 24), begun=one) for one in (word, "", "return")]
    answers = {index: layout.decode(answer.tokens) for index, answer in generator.answer(asked, 60)}
    assert answers[0].startswith(word)
    assert answers[2].startswith("return")
    (alone,) = (layout.decode(answer.tokens) for _, answer in generator.answer(asked[1:2], 60))
    assert answers[1] == alone  # a word binds its own row only


def test_no_token_is_a_special_one(small_tokenizer: Any) -> None:
    layout = Layout(small_tokenizer)
    assert layout.end_id not in layout.texts
    assert all(small_tokenizer.decode([number]) == text for number, text in layout.texts.items())


def test_an_evaluation_gives_what_comes_after_the_word(small_model: Path) -> None:
    row = {
        "request_id": "r",
        "prefix": "x = se",
        "suffix": "",
        "lesson": "lf",
        "committed": "lf\n",
        "language": "python",
    }
    proposals: dict[str, str] = {}
    with_healing = TRAINING.model_copy(update={"token_healing": True})
    scores = evaluate(small_model, pa.Table.from_pylist([row]), with_healing, proposals=proposals)
    assert scores["silent"].to_pylist() == [not proposals["r"]]
    generator = TransformersGenerator(str(small_model), TRAINING)
    prompt = generator.layout.prompt("x = ", "", 96, 16)
    ((_, answer),) = generator.answer([Asked(prompt, begun="se")], 16)
    assert "se" + proposals["r"] == generator.layout.decode(answer.tokens)

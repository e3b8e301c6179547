import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from echo_ops.errors import TrainingError
from echo_ops.training import base_model
from echo_ops.training.base_model import FINETUNE, BaseModelReport, Recipe, make
from echo_ops.training.fim import Layout

RECIPE = Recipe(
    steps=100,
    vocabulary=330,
    width=64,
    layers=1,
    head=32,
    inner=128,
    sequence=64,
    reserved=16,
    batch=4,
    warmup=5,
    evaluation=64,
)
LEARNED = [
    "def area(width, height):\n    return width * height\n\n\nfor name in names:\n    print(name)\n" * 5,
    "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = y\n" * 5,
]
HELD_OUT = [
    "def size(width, height):\n    return width + height\n",
    "class Box:\n    def __init__(self, x):\n        self.x = x\n",
]


@pytest.fixture(autouse=True, scope="module")
def _small_corpus() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base_model, "corpus", lambda: (LEARNED, HELD_OUT))
        yield


@pytest.fixture(scope="module")
def made(_small_corpus: None, tmp_path_factory: pytest.TempPathFactory) -> BaseModelReport:
    return make(tmp_path_factory.mktemp("base") / "base", recipe=RECIPE)


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_it_is_better_than_chance_where_it_has_not_looked_and_loads_as_it_is(made: BaseModelReport) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    measures = made.measures
    assert measures.perplexity < measures.perplexity_unigram < measures.perplexity_uniform
    assert measures.next_token > measures.next_token_chance
    layout = Layout(AutoTokenizer.from_pretrained(made.model))
    assert layout.family.name == "echo-small"
    assert GenerationConfig.from_pretrained(made.model).eos_token_id == layout.end_id
    model = AutoModelForCausalLM.from_pretrained(made.model)
    assert sum(weight.numel() for weight in model.parameters()) == made.parameters
    assert [path.name for path in Path(made.model).parent.iterdir()] == ["base"]


def test_the_same_recipe_is_made_once_and_another_replaces_it(made: BaseModelReport, tmp_path: Path) -> None:
    out = tmp_path / "base"
    shutil.copytree(made.model, out)
    again = make(out, recipe=RECIPE, report=lambda _: pytest.fail("it was made again"))
    assert again == replace(made, model=str(out), reused=True)
    assert not make(out, recipe=replace(RECIPE, seed=1)).reused
    assert weights(out) != weights(Path(made.model))


def test_the_same_recipe_gives_the_same_weights_over_what_a_kill_has_left(
    made: BaseModelReport, tmp_path: Path
) -> None:
    stale = tmp_path / ".base.part"
    stale.mkdir()
    (stale / "half").touch()
    again = make(tmp_path / "base", recipe=RECIPE)
    assert weights(Path(again.model)) == weights(Path(made.model))
    assert not (tmp_path / "base" / "half").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_one_that_is_no_better_than_chance_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no better than chance"):
        make(tmp_path / "base", recipe=replace(RECIPE, steps=1, matrix_rate=1e-9, rate=1e-9))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_killed_leaves_no_half_model(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        make(tmp_path / "base", recipe=RECIPE, report=kill)
    assert list(tmp_path.iterdir()) == []


def test_the_settings_that_suit_it_are_settings() -> None:
    from echo_ops.settings import Training

    assert Training(**FINETUNE).model_dump(include=set(FINETUNE)) == FINETUNE

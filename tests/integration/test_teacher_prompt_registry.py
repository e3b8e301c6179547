"""Prompts in MLflow's registry, on SQLite."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from echo_ops.errors import InputError
from echo_ops.pipeline import teaching
from echo_ops.settings import Settings
from echo_ops.teacher import prompt_registry
from echo_ops.teacher.prompts import built_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def settings(uri: str, prompt: str | None, **teacher: Any) -> Settings:
    given = {"url": "http://127.0.0.1:9/v1", "model": "m", "prompt": prompt} | teacher
    return Settings.model_validate({"mlflow": {"tracking_uri": uri}, "teacher": given})


def test_an_alias_is_resolved_once_and_its_version_stands_on_every_row(uri: str, tmp_path: Path) -> None:
    import mlflow

    ours = built_in()
    assert prompt_registry.register("echo-teacher", uri) == 1
    mlflow.genai.set_prompt_alias("echo-teacher", "production", 1)
    run = settings(uri, "echo-teacher@production")
    planned = teaching.resolved(run)
    assert planned == {"teacher_prompt": 1}

    other = replace(ours, common=ours.common + "\nBe strict.")
    assert prompt_registry.register("echo-teacher", uri, other) == 2
    mlflow.genai.set_prompt_alias("echo-teacher", "production", 2)
    assert teaching.resolved(run) == {"teacher_prompt": 2}

    # shards of the run that was planned before go on with the version of then
    teacher = teaching.of_file(settings(uri, "echo-teacher/1"), tmp_path)
    assert teacher.prompt_version == "echo-teacher/1"
    loaded = prompt_registry.load("echo-teacher@production", planned["teacher_prompt"], uri)
    assert (loaded.common, loaded.cut, loaded.verdict) == (ours.common, ours.cut, ours.verdict)
    assert prompt_registry.load("echo-teacher@production", 2, uri).common == other.common


@pytest.mark.parametrize(("prompt", "url"), [(None, "http://127.0.0.1:9/v1"), ("none-such", None)])
def test_without_a_model_or_a_name_nothing_is_resolved(uri: str, prompt: str | None, url: str | None) -> None:
    assert teaching.resolved(settings(uri, prompt, url=url)) == {}


@pytest.mark.parametrize("name", ["none-such", "none-such@production", "none-such/7"])
def test_a_prompt_that_is_not_there_is_refused(uri: str, name: str) -> None:
    with pytest.raises(InputError, match=r"none-such.* is not in MLflow's registry.*ECHO_TEACHER_PROMPT"):
        teaching.resolved(settings(uri, name))


def _text(genai: Any) -> None:
    genai.register_prompt("odd", "Where does it end? {{commit}}")


def _fields(genai: Any) -> None:
    messages = [("system", "You judge."), ("user", "{{commit}} {{code}} {{last}}"), ("user", "A: B: C: D: E:")]
    genai.register_prompt("odd", [{"role": role, "content": text} for role, text in messages])


@pytest.mark.parametrize(
    ("register", "message"), [(_text, r"odd/\d+ has the messages text; wanted"), (_fields, r"\{\{code\}\} is unknown")]
)
def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_asked(
    uri: str, register: Callable[[Any], None], message: str
) -> None:
    import mlflow

    mlflow.set_tracking_uri(uri)
    register(mlflow.genai)
    with pytest.raises(InputError, match=message):
        teaching.resolved(settings(uri, "odd"))

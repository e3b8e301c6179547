import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from echo_ops.errors import InputError
from echo_ops.training import sandbox
from echo_ops.training.fim import Layout
from echo_ops.training.generation import Answer, Asked, Generator
from echo_ops.training.infilling import Problem, complete, guard, passed, read
from echo_ops.training.sandbox import Limits

PROBLEMS = [
    Problem(
        task_id=f"SingleLineInfilling/HumanEval/{number}/L0",
        prompt=f"def add_{number // 2}(a, b):\n",
        suffix="\n",
        canonical_solution=f"    return a + b + {number}",
        test=f"def check(candidate):\n    assert candidate(1, 2) == 3 + {number}",
        entry_point=f"add_{number // 2}",
    )
    for number in range(24)
]


class Parrot(Generator):
    """Answers with a text of the prompt's number."""

    def __init__(self, tokenizer: Any, texts: list[str]) -> None:
        self.layout, self.texts = Layout(tokenizer), texts

    def answer(self, asked: Sequence[Asked], max_new_tokens: int) -> Iterator[tuple[int, Answer]]:
        for index in reversed(range(len(asked))):
            yield index, Answer([*self.layout.encode(self.texts[index]), self.layout.end_id, 5], None)


def test_right_and_wrong_completions_are_told_apart(small_tokenizer: Any) -> None:
    try:
        sandbox.must_work()
    except InputError as error:
        pytest.skip(str(error))
    problems = PROBLEMS[:8]
    texts = [one.canonical_solution for one in problems]
    texts[1] = "    return a - b"
    texts[2] = "    while True: pass"
    texts[3] = "    return ("
    texts[4] = "    pass\nexit()"
    texts[5] = "    pass\nimport os; os._exit(0)"
    completions = complete(problems, Parrot(small_tokenizer, texts), 256, 64)
    assert [completions[one.task_id] for one in problems] == texts
    told = passed(problems, completions, Limits(seconds=2))
    assert [told[one.task_id] for one in problems] == [True, *[False] * 5, True, True]


@pytest.mark.parametrize("name", ["problems.jsonl", "problems.jsonl.gz"])
def test_the_files_of_the_benchmark_are_read(tmp_path: Path, name: str) -> None:
    text = "".join(json.dumps(asdict(one) | {"more": 1}) + "\n" for one in PROBLEMS) + "\n"
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert read(tmp_path / name) == PROBLEMS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds 0 problems"),
        ('{"task_id": "a"}\n', "KeyError: 'prompt'"),
        ("no json\n", "JSONDecodeError"),
        (2 * (json.dumps(asdict(PROBLEMS[0])) + "\n"), "line 2: .*each task_id is there once"),
    ],
)
def test_what_is_no_benchmark_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "problems.jsonl").write_text(text)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "problems.jsonl")
    with pytest.raises(InputError, match="FileNotFoundError"):
        read(tmp_path / "nothing.jsonl")


def of(*numbers: int) -> dict[str, bool]:
    return {one.task_id: index in numbers for index, one in enumerate(PROBLEMS)}


def test_forgetting_is_a_fall_beyond_chance() -> None:
    everything = range(24)
    fallen = guard(PROBLEMS, of(*everything), of(*everything[:14]), seed=0)
    assert fallen.forgotten
    assert (fallen.problems, fallen.functions, fallen.champion) == (24, 12, 1.0)
    assert fallen.challenger == pytest.approx(14 / 24)
    for challenger in (of(*everything[1:]), of(*everything)):  # one problem is chance; none is nothing
        assert not guard(PROBLEMS, of(*everything), challenger, seed=0).forgotten
    assert not guard(PROBLEMS, of(*everything[:14]), of(*everything), seed=0).forgotten
    assert guard(PROBLEMS[:14], of(*everything), of(), seed=0).difference is None  # seven functions

"""A static infilling benchmark, against forgetting: does a model still write code that passes its tests?

The format is human-eval-infilling's (Bavarian et al., 2022): JSON lines with ``task_id``, ``prompt``, ``suffix``,
``canonical_solution``, ``test`` and ``entry_point``. A completion is right when prompt, completion and suffix together,
then the test, then ``check(entry_point)`` run through. What a model wrote is run in ``sandbox``, nowhere else.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from echo_ops.errors import InputError
from echo_ops.training import sandbox
from echo_ops.training.bootstrap import draws, interval
from echo_ops.training.compare import DRAWS, FEWEST_CLUSTERS, Difference
from echo_ops.training.generation import Asked, Generator


@dataclass(frozen=True, slots=True)
class Problem:
    """A function with a hole, and how to tell that it is filled. Read by ``complete`` and ``passed``."""

    task_id: str
    prompt: str
    suffix: str
    canonical_solution: str
    test: str
    entry_point: str

    def program(self, completion: str) -> str:
        """What is run; ends well when the completion is right."""
        return f"{self.prompt}{completion}{self.suffix}\n{self.test}\ncheck({self.entry_point})\n"


@dataclass(frozen=True, slots=True)
class Guard:
    """Pass rates of both models. Written by ``guard``; read by pipeline."""

    problems: int
    functions: int
    champion: float
    challenger: float
    difference: Difference | None  # None where fewer than FEWEST_CLUSTERS functions tell of it

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Guard:
        """From plain JSON."""
        difference = data["difference"]
        return cls(**{**data, "difference": difference and Difference(**difference)})

    @property
    def forgotten(self) -> bool:
        """The challenger passes fewer, beyond chance."""
        return self.difference is not None and self.difference.high < 0


def read(path: Path) -> list[Problem]:
    """The problems of a JSONL file, gzipped or not.

    Raises:
        InputError: it cannot be read, holds nothing, or a line lacks a field.
    """
    names = [field.name for field in fields(Problem)]
    opened = gzip.open if path.suffix == ".gz" else open
    problems: dict[str, Problem] = {}
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row: Any = json.loads(line)
                    problem = Problem(*(row[name] for name in names))
                    if not all(isinstance(row[name], str) for name in names) or problem.task_id in problems:
                        raise ValueError(f"line {number}: all fields are texts, and each task_id is there once")
                    problems[problem.task_id] = problem
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read as human-eval-infilling JSONL ({type(error).__name__}: {error}); wanted on each "
            f"line are {', '.join(names)}; see ECHO_EVALUATION_INFILLING"
        ) from None
    if not problems:
        raise InputError(f"{path} holds 0 problems, at least 1 is needed; see ECHO_EVALUATION_INFILLING")
    return list(problems.values())


def complete(
    problems: Sequence[Problem], generator: Generator, context_tokens: int, max_new_tokens: int
) -> dict[str, str]:
    """The greedy completion of each problem, by task."""
    layout = generator.layout
    asked = [Asked(layout.prompt(one.prompt, one.suffix, context_tokens, max_new_tokens)) for one in problems]
    answers = generator.answer(asked, max_new_tokens)
    return {problems[index].task_id: layout.decode(answer.tokens) for index, answer in answers}


def passed(problems: Sequence[Problem], completions: Mapping[str, str], limits: sandbox.Limits) -> dict[str, bool]:
    """Whether the completion of each problem passes its test, run in the sandbox.

    Raises:
        InputError: code cannot be isolated here.
    """
    programs = [one.program(completions[one.task_id]) for one in problems]
    endings = sandbox.run_all(programs, limits)
    return {one.task_id: ending == "passed" for one, ending in zip(problems, endings, strict=True)}


def guard(
    problems: Sequence[Problem], champion: Mapping[str, bool], challenger: Mapping[str, bool], seed: int
) -> Guard:
    """Compare pass rates, in pairs; problems of one function stand or fall together, so functions are drawn."""
    import numpy as np

    functions, at = np.unique([one.entry_point for one in problems], return_inverse=True)
    before, after = (np.array([float(of[one.task_id]) for one in problems]) for of in (champion, challenger))
    difference = None
    if len(functions) >= FEWEST_CLUSTERS:
        gained, count = np.bincount(at, after - before), np.bincount(at)
        drawn = draws(len(functions), seed, DRAWS)
        low, high = interval(drawn @ gained / (drawn @ count))
        difference = Difference(float(after.mean() - before.mean()), low, high)
    return Guard(len(problems), len(functions), float(before.mean()), float(after.mean()), difference)

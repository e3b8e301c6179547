"""How likely a served student finds a text after its prompt: vLLM's ``prompt_logprobs`` on ``/v1/completions``.

What is sent are token ids, so that the text is cut into tokens as in training, and what a user typed is never taken for
a special token. vLLM does not read its prefix cache for it: a score costs its whole prompt.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from echo_ops.errors import TeacherError
from echo_ops.settings import Student as StudentSettings
from echo_ops.teacher.budget import Budget, Ledger
from echo_ops.teacher.cache import Score, ScoreCache, folder
from echo_ops.teacher.client import HOPELESS_AFTER, TOLERATED, served_model
from echo_ops.teacher.endpoint import Endpoint, RefusedError
from echo_ops.teacher.usage import Usage

CHUNK = 1024
"""Texts that are looked up and kept together: what a kill can lose, against the number of files."""


@dataclass(frozen=True, slots=True)
class Text:
    """Token ids. Written by pipeline, read by a student."""

    context: list[int]
    scored: list[int]  # what follows the context, to its end token


class Student(Protocol):
    """A model that says how likely a text is."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def usage(self) -> Usage:
        """What it has cost so far."""

    def score(self, texts: Iterable[Text]) -> list[float | None]:
        """How likely each text is after its context: nats of its tokens together; None where it cannot say.

        Raises:
            TeacherError: the student is gone, or cannot say too often.
            BudgetError: its budget is used up.
        """


class FakeStudent:
    """A student that scores by a given rule and remembers what it was asked; for tests and dry runs."""

    def __init__(self, rule: Callable[[Text], float | None] = lambda text: float(len(text.scored))) -> None:
        self.name, self.usage, self.rule = "fake", Usage(), rule
        self.asked: list[Text] = []

    def score(self, texts: Iterable[Text]) -> list[float | None]:
        """The rule's score of each text."""
        asked = list(texts)
        self.asked += asked
        return [self.rule(text) for text in asked]


class ServedStudent:
    """A model behind vLLM.

    Args:
        settings: section ``student``, with a URL.
        model: the name of the model, resolved (``served_model``).
        cache: where scores are kept.
        ledger: where the spending is added up with that of others, within one budget; None: this one is alone.
    """

    def __init__(self, settings: StudentSettings, model: str, cache: ScoreCache, ledger: Ledger | None = None) -> None:
        self.name = model
        self.usage = Usage()
        self._settings, self._cache = settings, cache
        self._budget = Budget(settings, self.usage, ledger)
        self._answered = 0  # of what the server was asked about
        self._refused: dict[bytes, Score] = {}  # kept at the end, when they are few: a server may be put right

    def score(self, texts: Iterable[Text]) -> list[float | None]:
        """See ``Student``; equal texts are asked once, known ones not at all. What was answered is in the cache, also
        when this fails. Texts are drawn in a thread, while others are asked."""
        return asyncio.run(self._score(iter(texts)))

    async def _score(self, texts: Iterator[Text]) -> list[float | None]:
        scored: list[float | None] = []
        size = self._settings.concurrency  # small at first, so that a server that cannot do it is noticed early
        async with Endpoint(self._settings, self.usage, self._budget) as endpoint:
            try:
                chunk = await asyncio.to_thread(_draw, texts, size)
                while chunk:
                    size = min(2 * size, max(size, CHUNK))
                    # what makes texts takes no time of the server's
                    following = asyncio.create_task(asyncio.to_thread(_draw, texts, size))
                    scored += await self._score_chunk(endpoint, chunk)
                    chunk = await following
            finally:
                await asyncio.to_thread(self._budget.settle)
        self._limit_refusals(0.0)
        await asyncio.to_thread(self._cache.keep, self._refused)
        self._refused = {}
        return scored

    async def _score_chunk(self, endpoint: Endpoint, chunk: list[Text]) -> list[float | None]:
        keys = [hashlib.sha256(json.dumps([text.context, text.scored]).encode()).digest() for text in chunk]
        asked = dict(zip(keys, chunk, strict=True))
        known = await asyncio.to_thread(self._cache.load, asked.keys())
        self.usage.cached += len(known)
        waiting = iter([(key, text) for key, text in asked.items() if key not in known])
        found: dict[bytes, Score] = {}

        async def work() -> None:
            for key, text in waiting:  # one iterator for all workers
                try:
                    found[key] = Score(await self._ask(endpoint, text))
                except RefusedError as error:
                    self.usage.refused += 1
                    if error.lasting:
                        self._refused[key] = Score(None)
                self._answered += 1

        workers = [asyncio.create_task(work()) for _ in range(self._settings.concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await asyncio.to_thread(self._cache.keep, found)
        if self._answered >= HOPELESS_AFTER:
            self._limit_refusals(0.5)
        known |= found
        return [known[key].nats if key in known else None for key in keys]

    async def _ask(self, endpoint: Endpoint, text: Text) -> float:
        prompt = [*text.context, *text.scored]
        body = {"model": self.name, "prompt": prompt, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
        answer = await endpoint.post("completions", body)
        try:
            positions: list[Any] = answer["choices"][0]["prompt_logprobs"]
            if len(positions) == len(prompt):
                last = zip(text.scored, positions[len(text.context) :], strict=True)
                return -sum(float(position[str(token)]["logprob"]) for token, position in last)
        except (KeyError, IndexError, TypeError, ValueError):
            pass  # no logprobs of a prompt at all
        raise RefusedError(lasting=True)

    def _limit_refusals(self, least: float) -> None:
        limit = max(TOLERATED, max(least, self._settings.max_invalid_share) * self._answered)
        if self.usage.refused > limit:
            raise TeacherError(
                f"student {self.name}: {self.usage.refused} of {self._answered} texts without a score, {limit:.0f} "
                "tolerated; does the server know prompt_logprobs (vLLM), is ECHO_STUDENT_TOKENIZER its model's, and "
                "does ECHO_TRAINING_CONTEXT_TOKENS fit its --max-model-len?"
            )


def _draw(texts: Iterator[Text], size: int) -> list[Text]:
    return list(islice(texts, size))


def connect(settings: StudentSettings, cache: str | Path, *, shares_budget: bool = False) -> ServedStudent:
    """The student behind the URL.

    Its scores are kept by its name and the place that its server read it from: a new champion is served under the same
    name, and must not be given the scores of the last one.

    Args:
        settings: section ``student``, with a URL.
        cache: folder or object-store URI for its scores.
        shares_budget: whether the budget holds for all students with the same cache and model together.

    Raises:
        TeacherError: the server does not answer, or does not serve the model.
        UnavailableError: the cache cannot be reached.
    """
    model, root = served_model(settings)
    ledger = Ledger(folder(cache, model, root)) if shares_budget else None
    return ServedStudent(settings, model, ScoreCache(cache, model, root), ledger)

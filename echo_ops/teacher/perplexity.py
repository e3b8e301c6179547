"""How likely a served student finds a text after its prompt: vLLM's ``prompt_logprobs`` on ``/v1/completions``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.teacher.endpoint import Endpoint, RefusedError
from echo_ops.teacher.usage import Usage


@dataclass(frozen=True, slots=True)
class Scored:
    """A text under a student. Written by a student, read by pipeline."""

    nats: float  # of all its tokens together
    tokens: int


class Student(Protocol):
    """A model that says how likely a text is. Its prompts end with one special token, such as the FIM middle."""

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> list[Scored | None]:
        """How likely each text is after its prompt, in nats; None where the student cannot say.

        Raises:
            TeacherError: the student is gone.
        """


class ServedStudent:
    """A model behind vLLM.

    A text is scored as the tokens that follow the last token of its prompt. That one is special, so that no token lies
    across the boundary. An empty text, and one in which that token occurs, cannot be scored. vLLM does not read its
    prefix cache for it: a score costs its whole prompt.

    Args:
        settings: URL, key, concurrency, timeout and retries of the student.
        model: its name there.
        marker: the special token that ends every prompt, e.g. ``<|fim_middle|>``.
    """

    def __init__(self, settings: TeacherSettings, model: str, marker: str) -> None:
        self.name, self.marker = model, marker
        self.usage = Usage()
        self._settings = settings

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> list[Scored | None]:
        """See ``Student``; also None where the server cannot take it (too long, say)."""
        return asyncio.run(self._score_all(list(zip(prompts, texts, strict=True))))

    async def _score_all(self, asked: list[tuple[str, str]]) -> list[Scored | None]:
        limit = asyncio.Semaphore(self._settings.concurrency)

        async def one(endpoint: Endpoint, prompt: str, text: str) -> Scored | None:
            async with limit:
                return await self._score(endpoint, prompt, text)

        async with Endpoint(self._settings, self.usage) as endpoint:
            return await asyncio.gather(*(one(endpoint, prompt, text) for prompt, text in asked))

    async def _score(self, endpoint: Endpoint, prompt: str, text: str) -> Scored | None:
        if not text or self.marker in text or not prompt.endswith(self.marker):
            return None
        body = {"model": self.name, "prompt": prompt + text, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
        try:
            answer = await endpoint.post("completions", body)
            return self._after_marker(answer["choices"][0]["prompt_logprobs"])
        except (RefusedError, KeyError, IndexError, TypeError, AttributeError):
            self.usage.refused += 1
            return None

    def _after_marker(self, logprobs: list[dict[str, dict[str, Any]] | None]) -> Scored | None:
        """The tokens after the last marker. Each position names its own token, and perhaps likelier ones, by id."""
        tokens = [next(iter(position.values())) if position else None for position in logprobs]
        for start in range(len(tokens) - 1, -1, -1):
            token = tokens[start]
            if token is not None and token["decoded_token"] == self.marker:
                found = [float(token["logprob"]) for token in tokens[start + 1 :] if token is not None]
                return Scored(-sum(found), len(found)) if found else None
        return None

"""Champion and challenger behind vLLM, for an evaluation: the very checkpoints, checked by name.

A server serves the champion as ``<model>/<version>``. The challenger of a night is no version yet: its name is
``<model>/<hash of its files>``. Where the server does not serve it already, its adapter is loaded beside the champion
(``--enable-lora``, ``VLLM_ALLOW_RUNTIME_LORA_UPDATING=1``, ``--max-lora-rank``) and taken away at the end.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echo_ops.errors import InputError, TeacherError
from echo_ops.settings import EvaluationServer
from echo_ops.teacher.endpoint import Endpoint, RefusedError
from echo_ops.teacher.usage import Usage
from echo_ops.training.generation import Answer, Asked, Generator

if TYPE_CHECKING:
    from echo_ops.training.fim import Layout

AHEAD = 8
"""Times the requests in flight: how many are handed over together, and waited for."""


class ServedGenerator(Generator):
    """A model behind vLLM's ``/v1/completions``. What is sent are token ids, so nothing is cut or read differently.

    Args:
        settings: where the server is, and how it is asked.
        model: the name by which the server knows the model.
        layout: of its tokenizer.
    """

    def __init__(self, settings: EvaluationServer, model: str, layout: Layout) -> None:
        self._settings, self._model, self.layout = settings, model, layout

    def answer(self, asked: Sequence[Asked], max_new_tokens: int) -> Iterator[tuple[int, Answer]]:
        """See ``Generator``.

        Raises:
            TeacherError: the server is gone.
            InputError: it cannot take these prompts.
        """
        if any(one.begun for one in asked):
            raise InputError(
                "ECHO_TRAINING_TOKEN_HEALING is set, but the evaluation server is asked without it; "
                "unset that or ECHO_EVALUATION_URL"
            )
        size = AHEAD * self._settings.concurrency
        for start in range(0, len(asked), size):
            answers = asyncio.run(self._answer(asked[start : start + size], max_new_tokens))
            yield from enumerate(answers, start)

    async def _answer(self, asked: Sequence[Asked], max_new_tokens: int) -> list[Answer]:
        places = asyncio.Semaphore(self._settings.concurrency)
        async with Endpoint(self._settings, Usage()) as endpoint:

            async def one(question: Asked) -> Answer:
                async with places:
                    proposal = await self._propose(endpoint, question.prompt, max_new_tokens)
                    return Answer(proposal, await self._nats(endpoint, question))

            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(one(question)) for question in asked]
            except* (RefusedError, KeyError, IndexError, TypeError, ValueError) as error:
                kinds = ", ".join(sorted({type(inner).__name__ for inner in error.exceptions}))
                raise InputError(
                    f"evaluation at {endpoint.place}: {self._model} gives no usable answer ({kinds}); wanted is vLLM, "
                    "whose --max-model-len is above ECHO_TRAINING_CONTEXT_TOKENS"
                ) from None
            except* TeacherError as error:
                raise error.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _propose(self, endpoint: Endpoint, prompt: list[int], max_new_tokens: int) -> list[int]:
        # ignore_eos: the end is the layout's, also where the model's own configuration names another
        body = {"prompt": prompt, "max_tokens": max_new_tokens, "ignore_eos": True, "return_token_ids": True}
        choice = await self._complete(endpoint, body | {"stop_token_ids": [self.layout.end_id]})
        return [int(token) for token in choice["token_ids"]]

    async def _nats(self, endpoint: Endpoint, asked: Asked) -> float | None:
        if asked.example is None:
            return None
        tokens, lesson = asked.example.input_ids, asked.example.lesson
        choice = await self._complete(endpoint, {"prompt": tokens, "max_tokens": 1, "prompt_logprobs": 0})
        positions = choice["prompt_logprobs"][-len(lesson) :]
        return -sum(float(at[str(token)]["logprob"]) for token, at in zip(lesson, positions, strict=True))

    async def _complete(self, endpoint: Endpoint, body: dict[str, Any]) -> dict[str, Any]:
        # greedy, and no punishment of repetition, whatever the model's generation_config.json says
        greedy = {"model": self._model, "temperature": 0.0, "repetition_penalty": 1.0}
        answer = await endpoint.post("completions", greedy | body)
        choice: dict[str, Any] = answer["choices"][0]
        return choice


@contextmanager
def served(settings: EvaluationServer, champion: str, name: str, checkpoint: Path) -> Iterator[ServedGenerator]:
    """A checkpoint as the server has it; its adapter is loaded for the time of the block where it must be.

    Args:
        settings: where the server is, and how it is asked.
        champion: what the server must call the champion.
        name: what it must call this checkpoint; the champion's own name for itself.
        checkpoint: its folder, on a file system that the server reads too where an adapter is to be loaded.

    Raises:
        TeacherError: the server does not answer, or serves something else.
        InputError: the tokenizer cannot be read.
    """
    cards = _models(settings)
    if champion not in cards:
        raise _other(settings, cards, champion, "serve it under that name")
    loaded = name not in cards
    adapter = checkpoint / "adapter"
    if loaded:
        if not adapter.is_dir() or cards[champion].get("parent"):
            raise _other(
                settings, cards, name, "serve it too, or train adapters (ECHO_TRAINING_METHOD=lora) on a served base"
            )
        _call(settings, "load_lora_adapter", {"lora_name": name, "lora_path": str(adapter.absolute())})
    try:
        yield ServedGenerator(settings, name, _layout(checkpoint))
    finally:
        if loaded:
            with suppress(TeacherError):  # what made the evaluation fail must be heard
                _call(settings, "unload_lora_adapter", {"lora_name": name})


def _layout(checkpoint: Path) -> Layout:
    from transformers import PreTrainedTokenizerFast  # AutoTokenizer would import torch

    from echo_ops.training.fim import Layout

    try:
        return Layout(PreTrainedTokenizerFast.from_pretrained(checkpoint))
    except (OSError, ValueError) as error:
        raise InputError(f"{checkpoint} holds no tokenizer.json that can be read ({type(error).__name__})") from None


def _models(settings: EvaluationServer) -> dict[str, dict[str, Any]]:
    listed = json.loads(_call(settings, "models"))
    return {str(card["id"]): card for card in listed["data"]}


def _call(settings: EvaluationServer, path: str, body: dict[str, Any] | None = None) -> bytes:
    key = settings.api_key
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    url = f"{(settings.url or '').rstrip('/')}/{path}"
    content = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, content, headers)  # noqa: S310 (the operator's own server)
        with urllib.request.urlopen(request, timeout=settings.timeout) as response:  # noqa: S310
            answer: bytes = response.read()
            return answer
    except (OSError, ValueError) as error:
        told = error.read().decode(errors="replace")[:200] if isinstance(error, urllib.error.HTTPError) else str(error)
        place = Endpoint(settings, Usage()).place
        raise TeacherError(
            f"evaluation at {place}/{path} fails: {' '.join(told.split())}; check ECHO_EVALUATION_URL, and for an "
            "adapter that the server has --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and reads its folder"
        ) from None


def _other(settings: EvaluationServer, cards: dict[str, Any], wanted: str, remedy: str) -> TeacherError:
    place = Endpoint(settings, Usage()).place
    return TeacherError(
        f"evaluation at {place} serves {', '.join(sorted(cards)) or 'nothing'}; wanted is {wanted}: {remedy}, or unset "
        "ECHO_EVALUATION_URL"
    )

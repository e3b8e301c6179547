"""The teacher behind an OpenAI-compatible URL, such as vLLM: two questions per commit, each a constrained choice.

vLLM's field for the constraint is ``structured_outputs``; servers that do not know it ignore it without a word, so
each answer is checked against its choices. An answer outside them is refused and counted, never repaired.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from echo_ops.errors import TeacherError, UnavailableError
from echo_ops.settings import ModelServer
from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.teacher.budget import Budget, Ledger
from echo_ops.teacher.cache import REFUSED, AnswerCache, Reply
from echo_ops.teacher.endpoint import Endpoint, RefusedError
from echo_ops.teacher.port import NOTHING, SILENCE, Answer, Cut, Progress, Question, silent
from echo_ops.teacher.prompts import VERDICT_LETTERS, Messages, Prompts
from echo_ops.teacher.usage import Usage

CHUNK = 4096
"""Questions that are looked up in the cache together, and at most as many again that wait to be asked: bounds memory,
and the number of times that the cache is read."""

KEEP_EVERY = 512
KEEP_AFTER = 30.0
"""Answers, or seconds, between two writes to the cache: what a kill can lose, against the number of files."""

TOLERATED = 4
"""Refused answers per call that no share can make too many."""

HOPELESS_AFTER = 50
"""Answers after which a majority of refusals ends the call: the rest need not be paid for."""


class VllmTeacher:
    """Asks a model where the intent ends, then what the lesson is worth. An empty commit is not asked about.

    Args:
        settings: section ``teacher``, with a URL.
        model: the name of the model, resolved (``served_model``).
        prompts: what it is asked.
        cache: where answers are kept; None: nowhere.
        ledger: where the spending is added up with that of others, within one budget; None: this one is alone.
    """

    def __init__(
        self,
        settings: TeacherSettings,
        model: str,
        prompts: Prompts,
        cache: AnswerCache | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.name = model
        self.prompt_version = prompts.version
        self.usage = Usage()
        self.settings, self.prompts, self.cache = settings, prompts, cache
        self.budget = Budget(settings, self.usage, ledger)

    def ask(self, questions: Iterable[Question], progress: Progress = silent) -> list[Answer | None]:
        """An answer to each question; equal questions are asked once, known ones not at all.

        Questions are drawn as they are needed, while others are asked: what makes them takes no time of the server's.

        Raises:
            TeacherError: the server is gone, refuses us, or answers outside its choices too often. What was answered
                until then is in the cache.
            BudgetError: ``max_requests`` or ``max_tokens`` is used up; likewise.
            UnavailableError: the cache cannot be read or written.
        """
        return asyncio.run(_Asking(self, progress).ask(questions))


class _Talk:
    """A question as it goes over the wire, and the key under which its answers are kept."""

    __slots__ = ("choices", "key", "messages")

    def __init__(self, question: Question, prompts: Prompts, context_characters: int) -> None:
        self.messages = prompts.ask_for_cut(question, context_characters)
        self.choices = [str(number) for number in range(len(question.cuts) + 1)]
        self.key = hashlib.sha256(json.dumps(self.messages).encode()).digest()


class _Asking:
    """One call of ``ask``: a feeder that prepares questions and looks them up, and workers that ask what is unknown."""

    def __init__(self, teacher: VllmTeacher, progress: Progress) -> None:
        self._model, self._usage, self._budget = teacher.name, teacher.usage, teacher.budget
        self._settings, self._prompts, self._cache = teacher.settings, teacher.prompts, teacher.cache
        self._progress = progress
        self._asked: list[tuple[bytes | None, tuple[Cut, ...]]] = []  # in the order of the questions
        self._replies: dict[bytes, Reply] = {}
        self._unkept: dict[bytes, Reply] = {}
        self._refused: dict[bytes, Reply] = {}  # kept at the end, when they are few: a server may be put right
        self._refusals = 0
        self._answered = 0  # of what the server was asked about
        self._done = 0  # questions, as progress counts them
        self._kept_at = time.monotonic()
        self._keeping = asyncio.Lock()
        self._waiting: asyncio.Queue[_Talk | None] = asyncio.Queue()
        self._room = asyncio.Event()

    async def ask(self, questions: Iterable[Question]) -> list[Answer | None]:
        async with Endpoint(self._settings, self._usage, self._budget) as endpoint:
            tasks = [asyncio.create_task(self._feed(iter(questions)))]
            tasks += [asyncio.create_task(self._work(endpoint)) for _ in range(self._settings.concurrency)]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._keep()
                await asyncio.to_thread(self._budget.settle)
        self._limit_refusals()
        self._unkept = self._refused
        await self._keep()
        return [SILENCE if key is None else _answer(cuts, self._replies.get(key, REFUSED)) for key, cuts in self._asked]

    async def _feed(self, questions: Iterator[Question]) -> None:
        """Chunk by chunk, the next while the last is asked; the first ones small, so that the server starts early."""
        queued: set[bytes] = set()
        size = self._settings.concurrency
        for first in questions:
            talks: dict[bytes, _Talk] = {}
            drawn = len(self._asked)
            for question in chain([first], islice(questions, size - 1)):
                if question.cuts:
                    talk = _Talk(question, self._prompts, self._settings.context_characters)
                    self._asked.append((talk.key, question.cuts))
                    if talk.key not in queued:
                        talks.setdefault(talk.key, talk)
                else:
                    self._asked.append((None, ()))
                await asyncio.sleep(0)  # answers that have come are taken meanwhile
            known = await asyncio.to_thread(self._cache.load, talks.keys()) if self._cache else {}
            self._replies |= known
            self._usage.cached += len(known)
            unknown = [talk for key, talk in talks.items() if key not in known]
            queued |= talks.keys()
            for talk in unknown:
                self._waiting.put_nowait(talk)
            self._done += len(self._asked) - drawn - len(unknown)
            self._progress(self._done)
            while self._waiting.qsize() > size // 2:
                self._room.clear()
                await self._room.wait()
            size = min(2 * size, CHUNK)
        for _ in range(self._settings.concurrency):
            self._waiting.put_nowait(None)

    async def _work(self, endpoint: Endpoint) -> None:
        """One worker: the next question as soon as the last is answered, so that the server is never short of work."""
        while (talk := await self._waiting.get()) is not None:
            self._room.set()
            lasting = True
            try:
                reply = await self._talk(endpoint, talk)
            except RefusedError as error:
                reply, lasting = REFUSED, error.lasting
            self._answered += 1
            self._done += 1
            self._replies[talk.key] = reply
            if not reply.refused:
                self._unkept[talk.key] = reply
            else:
                self._usage.refused += 1
                self._refusals += 1
                if lasting:
                    self._refused[talk.key] = reply
                if self._answered >= HOPELESS_AFTER:
                    self._limit_refusals(0.5)
            if len(self._unkept) >= KEEP_EVERY or time.monotonic() - self._kept_at > KEEP_AFTER:
                await self._keep()
            self._progress(self._done)

    async def _talk(self, endpoint: Endpoint, talk: _Talk) -> Reply:
        """Both questions; the second sees the first one's answer."""
        cut, cut_probability = await self._choose(endpoint, talk.messages, talk.choices)
        letters = [letter for letter, verdict in VERDICT_LETTERS.items() if cut != "0" or verdict != "fill"]
        second = self._prompts.ask_for_verdict(talk.messages, cut)
        verdict, verdict_probability = await self._choose(endpoint, second, letters)
        return Reply(cut, cut_probability, verdict, verdict_probability)

    async def _choose(self, endpoint: Endpoint, messages: Messages, choices: list[str]) -> tuple[str, float | None]:
        """One constrained choice and its probability."""
        answer = await endpoint.post(
            "chat/completions",
            {
                "model": self._model,
                "messages": messages,
                "temperature": 0.0,
                # a choice of one character is one token; of two digits it may be two, and the end says that it is whole
                "max_tokens": 1 if all(len(choice) == 1 for choice in choices) else 3,
                "logprobs": True,
                "structured_outputs": {"choice": choices},
                "chat_template_kwargs": {"enable_thinking": False},  # a model that can think would, before it answers
            },
        )
        try:
            choice = answer["choices"][0]
            said = choice["message"]["content"]
            tokens = (choice.get("logprobs") or {}).get("content") or []
            if said in choices:
                return said, _probability(said, choices, tokens)
        except (KeyError, IndexError, TypeError, AttributeError):
            pass  # no chat completion at all
        raise RefusedError(lasting=True)

    async def _keep(self) -> None:
        async with self._keeping:
            self._kept_at = time.monotonic()
            replies, self._unkept = self._unkept, {}
            if self._cache:
                try:
                    await asyncio.to_thread(self._cache.keep, replies)
                except UnavailableError:
                    self._unkept = replies | self._unkept  # once more, when all ends
                    raise

    def _limit_refusals(self, least: float = 0.0) -> None:
        limit = max(TOLERATED, max(least, self._settings.max_invalid_share) * self._answered)
        if self._refusals > limit:
            raise TeacherError(
                f"teacher {self._model}: {self._refusals} of {self._answered} questions without a valid answer, "
                f"{limit:.0f} tolerated; does the server know structured_outputs (vLLM 0.12 or later), and does the "
                "context fit its model?"
            )


def _answer(cuts: Sequence[Cut], reply: Reply) -> Answer | None:
    """A reply in terms of the question; None where it was refused or, kept by other hands, makes no sense."""
    offered = {str(number): cut for number, cut in enumerate((NOTHING, *cuts))}
    if reply.cut not in offered or reply.verdict not in VERDICT_LETTERS:
        return None
    cut = offered[reply.cut]
    return Answer(cut, reply.cut_probability, VERDICT_LETTERS[reply.verdict], reply.verdict_probability)


def _probability(said: str, choices: Sequence[str], tokens: Iterable[dict[str, Any]]) -> float | None:
    """Probability of an answer: the product over the tokens that spell it, and over the end of the text where another
    choice goes on ("1" beside "12").

    vLLM applies the constraint before it takes the logarithm, so this is the share among the choices.
    """
    needs_end = any(choice != said and choice.startswith(said) for choice in choices)
    spelt, total = "", 0.0
    for token in tokens:
        if spelt == said:
            return math.exp(min(0.0, total + token["logprob"]))
        spelt += token["token"]
        total += token["logprob"]
        if spelt == said and not needs_end:
            break
    return math.exp(min(0.0, total)) if spelt == said else None


def served_model(settings: ModelServer) -> tuple[str, str]:
    """The model that is asked, or the only one that the URL serves: its name, and the place it was read from.

    Raises:
        TeacherError: the server does not answer, or does not serve the model, or several and none is named.
    """

    async def listed() -> tuple[dict[str, str], str]:
        async with Endpoint(settings, Usage()) as endpoint:
            return await endpoint.models(), endpoint.place

    models, place = asyncio.run(listed())
    name = settings.model or next(iter(models), "")
    if name not in models or not (settings.model or len(models) == 1):
        wanted = f"{settings.model} is wanted; change" if settings.model else "1 is wanted; name it in"
        raise TeacherError(
            f"{settings.role} at {place} serves {len(models)} models ({', '.join(sorted(models)) or 'none'}), "
            f"{wanted} ECHO_{settings.role.upper()}_MODEL"
        )
    return name, models[name]

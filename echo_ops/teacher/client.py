"""The teacher behind an OpenAI-compatible URL, such as vLLM: two questions per commit, each a constrained choice.

vLLM's field for the constraint is ``structured_outputs``; servers that do not know it ignore it without a word, so
each answer is checked against its choices. An answer outside them is refused and counted, never repaired.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from echo_ops.errors import BudgetError, TeacherError
from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.teacher import prompts
from echo_ops.teacher.cache import REFUSED, AnswerCache, Reply
from echo_ops.teacher.port import NOTHING, SILENCE, Answer, Question

if TYPE_CHECKING:
    from openai import AsyncOpenAI

KEEP_EVERY = 512
"""Answers between two writes to the cache: what a kill can lose, against the number of files."""

TOLERATED = 4
"""Refused answers per call that no share can make too many."""

HOPELESS_AFTER = 50
"""Answers after which a majority of refusals ends the call: the rest need not be paid for."""

TOKENS = 4
"""Output tokens at most per answer: a number below 13 or a letter, and the end of the text."""

ROW_STATUSES = frozenset({400, 413, 422})
"""The server cannot take this one question (too long, say); other 4xx mean that it will take none."""


@dataclass
class Usage:
    """What a teacher has cost so far; for progress and reports."""

    requests: int = 0
    cached: int = 0  # questions answered from the cache
    refused: int = 0  # questions without a usable answer
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _RefusedError(Exception):
    """This question has no usable answer; others may."""


class VllmTeacher:
    """Asks a model where the intent ends, then what the lesson is worth. An empty commit is not asked about.

    Args:
        settings: section ``teacher``, with a URL.
        model: the name of the model, resolved (``served_model``).
        cache: where answers are kept; None: nowhere.
    """

    def __init__(self, settings: TeacherSettings, model: str, cache: AnswerCache | None = None) -> None:
        self.name = model
        self.prompt_version = prompts.version()
        self.usage = Usage()
        self._settings = settings
        self._cache = cache

    def ask(self, questions: Sequence[Question]) -> list[Answer | None]:
        """An answer to each question; equal questions are asked once, known ones not at all.

        Raises:
            TeacherError: the server is gone, refuses us, or answers outside its choices too often. What was answered
                until then is in the cache.
            BudgetError: ``max_requests`` is used up; likewise.
        """
        talks: dict[bytes, _Talk] = {}
        keys: list[bytes | None] = []
        for question in questions:
            if not question.cuts:
                keys.append(None)
                continue
            talk = _Talk(question, self._settings.context_characters)
            talks.setdefault(talk.key, talk)
            keys.append(talk.key)
        known = self._cache.load(talks.keys()) if self._cache and talks else {}
        unknown = [talk for key, talk in talks.items() if key not in known]
        self.usage.cached += len(talks) - len(unknown)
        replies = known | (asyncio.run(self._ask_all(unknown)) if unknown else {})
        return [
            SILENCE if key is None else _answer(question, replies[key])
            for question, key in zip(questions, keys, strict=True)
        ]

    async def _ask_all(self, talks: Sequence[_Talk]) -> dict[bytes, Reply]:
        """Replies by key. Refusals are kept in the cache only when they were few: a server may be put right."""
        replies: dict[bytes, Reply] = {}
        unkept: dict[bytes, Reply] = {}
        waiting = iter(talks)
        async with _client(self._settings) as client:
            workers = [
                asyncio.create_task(self._work(client, waiting, replies, unkept))
                for _ in range(min(self._settings.concurrency, len(talks)))
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
                self._keep(unkept)
        refused = {key: reply for key, reply in replies.items() if reply.refused}
        self._limit_refusals(len(refused), len(replies))
        self._keep(refused)
        return replies

    async def _work(
        self, client: AsyncOpenAI, waiting: Iterator[_Talk], replies: dict[bytes, Reply], unkept: dict[bytes, Reply]
    ) -> None:
        """One worker: the next question as soon as the last is answered, so that the server is never short of work."""
        for talk in waiting:
            try:
                reply = await self._talk(client, talk)
            except _RefusedError:
                reply = REFUSED
                self.usage.refused += 1
            replies[talk.key] = reply
            if reply.refused:
                refused = sum(reply.refused for reply in replies.values())
                if len(replies) >= HOPELESS_AFTER and refused > len(replies) / 2:
                    self._limit_refusals(refused, len(replies))
                continue
            unkept[talk.key] = reply
            if len(unkept) >= KEEP_EVERY:
                self._keep(unkept)

    def _keep(self, replies: dict[bytes, Reply]) -> None:
        if self._cache:
            self._cache.keep(replies)
        replies.clear()

    def _limit_refusals(self, refused: int, asked: int) -> None:
        limit = max(TOLERATED, self._settings.max_invalid_share * asked)
        if refused > limit:
            raise TeacherError(
                f"teacher {self.name}: {refused} of {asked} questions without a valid answer, {limit:.0f} tolerated; "
                "does the server know structured_outputs (vLLM 0.12 or later), and does the context fit its model?"
            )

    async def _talk(self, client: AsyncOpenAI, talk: _Talk) -> Reply:
        """Both questions; the second sees the first one's answer."""
        cut, cut_probability = await self._choose(client, talk.messages, talk.choices)
        letters = [letter for letter, verdict in prompts.VERDICT_LETTERS.items() if cut != "0" or verdict != "fill"]
        second = prompts.ask_for_verdict(talk.messages, cut)
        verdict, verdict_probability = await self._choose(client, second, letters)
        return Reply(cut, cut_probability, verdict, verdict_probability)

    async def _choose(
        self, client: AsyncOpenAI, messages: prompts.Messages, choices: list[str]
    ) -> tuple[str, float | None]:
        """One constrained choice and its probability; ``openai`` retries 429, 5xx and broken connections."""
        import openai

        budget = self._settings.max_requests
        if budget is not None and self.usage.requests >= budget:
            raise BudgetError(
                f"teacher {self.name}: the budget of {budget} requests is used up; answers so far are kept; "
                "raise ECHO_TEACHER_MAX_REQUESTS and run again"
            )
        self.usage.requests += 1
        try:
            completion = await client.chat.completions.create(
                model=self.name,
                messages=messages,  # type: ignore[arg-type]  # plain dicts are what the wire carries
                temperature=0.0,
                max_tokens=TOKENS,
                logprobs=True,
                extra_body={"structured_outputs": {"choice": choices}},
            )
        except openai.APIStatusError as error:
            if error.status_code in ROW_STATUSES:
                raise _RefusedError from None
            raise _gone(self._settings, error) from None
        except openai.OpenAIError as error:
            raise _gone(self._settings, error) from None
        if completion.usage:
            self.usage.prompt_tokens += completion.usage.prompt_tokens
            self.usage.completion_tokens += completion.usage.completion_tokens
        choice = completion.choices[0] if completion.choices else None
        said = choice.message.content if choice else None
        if choice is None or said not in choices:
            raise _RefusedError
        return said, _probability(said, choice.logprobs)


class _Talk:
    """A question as it goes over the wire, and the key under which its answers are kept."""

    def __init__(self, question: Question, context_characters: int) -> None:
        self.messages = prompts.ask_for_cut(question, context_characters)
        self.choices = [str(number) for number in range(len(question.cuts) + 1)]
        self.key = hashlib.sha256(json.dumps(self.messages).encode()).digest()


def _answer(question: Question, reply: Reply) -> Answer | None:
    """A reply in terms of the question; None where it was refused or, kept by other hands, makes no sense."""
    if reply.cut is None or reply.verdict not in prompts.VERDICT_LETTERS:
        return None
    number = int(reply.cut)
    cut = question.cuts[number - 1] if number else NOTHING
    return Answer(cut, reply.cut_probability, prompts.VERDICT_LETTERS[reply.verdict], reply.verdict_probability)


def _probability(said: str, logprobs: Any) -> float | None:
    """Probability of an answer: the product over the tokens that spell it, without the end of the text.

    vLLM applies the constraint before it takes the logarithm, so this is the share among the choices.
    """
    spelt, total = "", 0.0
    for token in (logprobs.content or ()) if logprobs else ():
        spelt += token.token
        total += token.logprob
        if spelt == said:
            return min(1.0, math.exp(total))
    return None


def served_model(settings: TeacherSettings) -> str:
    """The name of the only model that the teacher's URL serves.

    Raises:
        TeacherError: the server does not answer, or serves none or several.
    """
    import openai

    async def listed() -> list[str]:
        async with _client(settings) as client:
            return [model.id async for model in client.models.list()]

    try:
        models = asyncio.run(listed())
    except openai.OpenAIError as error:
        raise _gone(settings, error) from None
    if len(models) != 1:
        raise TeacherError(
            f"teacher at {_place(settings)} serves {len(models)} models ({', '.join(sorted(models)) or 'none'}), "
            "1 is wanted; name it in ECHO_TEACHER_MODEL"
        )
    return models[0]


def _client(settings: TeacherSettings) -> AsyncOpenAI:
    """The library's client: its own retries with backoff on 408, 409, 429, 5xx and broken connections."""
    from openai import AsyncOpenAI, Timeout

    return AsyncOpenAI(
        base_url=settings.url,
        api_key=settings.api_key.get_secret_value() if settings.api_key else "none",
        timeout=Timeout(settings.timeout, connect=min(5.0, settings.timeout)),
        max_retries=settings.retries,
    )


def _gone(settings: TeacherSettings, error: Exception) -> TeacherError:
    status = getattr(error, "status_code", None)
    cause = f"answers {status}" if status else f"does not answer ({type(error).__name__})"
    key = "check ECHO_TEACHER_API_KEY"
    remedies = {401: key, 403: key, 404: "check ECHO_TEACHER_URL and ECHO_TEACHER_MODEL"}
    remedy = remedies.get(status or 0, "start it, lower ECHO_TEACHER_CONCURRENCY or raise ECHO_TEACHER_TIMEOUT")
    return TeacherError(
        f"teacher at {_place(settings)} {cause} after {settings.retries} retries; {remedy}; answers so far are kept"
    )


def _place(settings: TeacherSettings) -> str:
    """The URL without the user and password that it may carry."""
    from urllib.parse import urlsplit

    parts = urlsplit(settings.url or "")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

"""A model behind an OpenAI-compatible URL: JSON in, JSON out; retried, counted, and within a budget.

``aiohttp`` carries it: 0.2 ms of a core a request, where the library ``openai`` takes 2.3 ms, so that at 64 in flight
the server is the slower one.
"""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from echo_ops.errors import TeacherError
from echo_ops.settings import ModelServer
from echo_ops.teacher.breaker import Breaker, GoneError
from echo_ops.teacher.budget import Budget
from echo_ops.teacher.usage import Usage

if TYPE_CHECKING:
    from types import TracebackType

    import aiohttp

ROW_STATUSES = frozenset({400, 413, 422})
"""The server cannot take this one question (too long, say); other 4xx mean that it will take none."""

BUSY_STATUSES = frozenset({408, 409, 425, 429})
"""The server is there, and asks for patience."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Seconds before the first retry, doubling up to the last; less up to a half, so that not all come back at once."""

LONGEST_ASKED = 120.0
"""Seconds that a server may ask us to wait (``Retry-After``)."""

IDLE = 4.0
"""Seconds after which an idle connection is not used again; uvicorn closes one after 5."""


class RefusedError(Exception):
    """This question has no usable answer; others may.

    Args:
        lasting: whether the server would say the same again.
    """

    def __init__(self, lasting: bool) -> None:
        super().__init__()
        self.lasting = lasting


class Endpoint:
    """The URL, with connections that are kept while the context is open; any number of requests at a time.

    Args:
        settings: section ``teacher`` or ``student``, with a URL.
        usage: what is spent is counted here.
        budget: asked before each request; None: without limits.
    """

    def __init__(self, settings: ModelServer, usage: Usage, budget: Budget | None = None) -> None:
        self._settings, self._usage = settings, usage
        self._budget = budget or Budget(settings.model_copy(update={"max_requests": None, "max_tokens": None}), usage)
        self._breaker = Breaker(settings.patience)
        self._chance = Random()
        self._reserving = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._base = ""

    async def __aenter__(self) -> Endpoint:
        import aiohttp

        key = self._settings.api_key
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE),
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout, sock_connect=min(5.0, self._settings.timeout)),
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
        )
        # a key comes before a user and password in the URL; aiohttp takes either
        self._base = (self.place if key else self._settings.url or "").rstrip("/")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def models(self) -> dict[str, str]:
        """The models that are served, by name: the place that each was read from, or its name where none is told."""
        listed = (await self._request("GET", "models", None))["data"]
        return {str(model["id"]): str(model.get("root") or model["id"]) for model in listed}

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request, such as ``chat/completions``.

        Raises:
            RefusedError: the server cannot take this request, or fails on it again and again but not on others.
            TeacherError: the server is gone, or refuses us.
            BudgetError: the budget is used up.
        """
        answer = await self._request("POST", path, body)
        if used := answer.get("usage"):
            self._usage.prompt_tokens += used.get("prompt_tokens") or 0
            self._usage.output_tokens += used.get("completion_tokens") or 0
            details = used.get("prompt_tokens_details") or {}
            self._usage.cached_prompt_tokens += details.get("cached_tokens") or 0
        return answer

    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        import aiohttp

        assert self._session is not None
        url = f"{self._base}/{path}"
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if content else {}
        failures = 0
        cause = "does not answer"
        while True:
            try:
                probe = await self._breaker.admit()
            except GoneError:
                raise self._gone(cause) from None
            asked_wait, busy = None, False
            try:
                if method == "POST":
                    await self._spend()
                async with self._session.request(method, url, data=content, headers=headers) as response:
                    data, status = await response.read(), response.status
                    asked_wait = _retry_after(response.headers)
                if status == 200 and (answer := _parsed(data)) is not None:
                    self._breaker.succeeded()
                    return answer
                if status in ROW_STATUSES:
                    self._breaker.succeeded()
                    raise RefusedError(lasting=True)
                cause, busy = "answers without JSON" if status == 200 else f"answers {status}", status in BUSY_STATUSES
                if 200 < status < 500 and not busy:
                    raise self._gone(cause, status)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                cause = f"does not answer ({type(error).__name__})"
            if probe or not busy:
                self._breaker.failed(probe)
            if self._breaker.is_open:
                continue  # the server fails, whatever it is asked: this question waits with the others
            failures += 1
            if failures <= self._settings.retries:
                self._usage.retries += 1
                await asyncio.sleep(self._wait(failures, asked_wait))
            elif busy or not self._breaker.answered:
                raise self._gone(cause)
            elif await self._lives():
                raise RefusedError(lasting=False)  # it is the question on which the server fails
            else:
                self._breaker.open()

    async def _lives(self) -> bool:
        """Whether the server says what it serves, which costs nothing."""
        import aiohttp

        assert self._session is not None
        try:
            async with self._session.get(f"{self._base}/models") as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def _spend(self) -> None:
        """Count a request, after a part of the budget is reserved for it."""
        assert self._budget is not None
        while self._budget.spent_out:
            async with self._reserving:
                if self._budget.spent_out:
                    await asyncio.to_thread(self._budget.reserve)
        self._usage.requests += 1

    def _wait(self, failures: int, asked: float | None) -> float:
        if asked is not None:
            return min(asked, LONGEST_ASKED)
        longest = min(FIRST_WAIT * 2.0 ** (failures - 1), LONGEST_WAIT)
        return longest * (1 - self._chance.random() / 2)

    def _gone(self, cause: str, status: int | None = None) -> TeacherError:
        role = self._settings.role
        ours = f"ECHO_{role.upper()}"
        key = f"check {ours}_API_KEY"
        remedies = {401: key, 403: key, 404: f"check {ours}_URL and {ours}_MODEL"}
        remedy = remedies.get(status or 0, f"start it, lower {ours}_CONCURRENCY or raise {ours}_TIMEOUT")
        waited = f"after {self._settings.retries} retries"
        if self._breaker.answered:
            waited += f" and up to {self._settings.patience:g} s of patience"
        return TeacherError(f"{role} at {self.place} {cause} {waited}; {remedy}; answers so far are kept")

    @property
    def place(self) -> str:
        """The URL without the user and password that it may carry."""
        parts = urlsplit(self._settings.url or "")
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(data)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _retry_after(headers: Any) -> float | None:
    """Seconds that the server asks us to wait; None where it does not, or names a date."""
    for name, unit in (("Retry-After-Ms", 0.001), ("Retry-After", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    return None

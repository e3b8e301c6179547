"""When to stop asking a server that fails, and when to ask again: a circuit breaker (Nygard, "Release It!", 2007)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

FAILURES = 8
"""Failures in a row, of whatever requests, after which the server is at fault and not a question."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0
"""Seconds between two probes of a server that fails: the first, doubling up to the last."""

LOOK = 0.25
"""Seconds between two looks of those who wait."""


class GoneError(Exception):
    """The server has failed for longer than we wait."""


class Breaker:
    """Closed: all requests go. Open, after ``FAILURES`` in a row: none goes. Half-open, after a wait: one goes as a
    probe; if it is answered the breaker closes, else the next wait is twice as long, until ``patience`` is over. It
    opens only for a server that has answered before: one that never has is no server to wait for.

    Args:
        patience: seconds from the first of the failures.
        clock, sleep: for tests.
    """

    def __init__(
        self,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.answered = 0  # answers so far: 0 while the server has never answered
        self.is_open = False
        self._patience, self._clock, self._sleep = patience, clock, sleep
        self._failures = 0
        self._failing_since = 0.0
        self._probing = False
        self._wait = FIRST_WAIT
        self._next_probe = 0.0

    async def admit(self) -> bool:
        """Wait until a request may go; whether it is a probe, which must be reported by one of the two below.

        Raises:
            GoneError: patience is over.
        """
        while self.is_open:
            now = self._clock()
            if now - self._failing_since >= self._patience:
                raise GoneError
            if not self._probing and now >= self._next_probe:
                self._probing = True
                return True
            await self._sleep(LOOK)
        return False

    def succeeded(self) -> None:
        """The server answered."""
        self.answered += 1
        self.is_open = self._probing = False
        self._failures = 0
        self._wait = FIRST_WAIT

    def failed(self, probe: bool) -> None:
        """The server did not answer, or with an error of its own."""
        now = self._clock()
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        if probe:
            self._probing = False
            self._wait = min(2 * self._wait, LONGEST_WAIT)
            self._next_probe = now + self._wait
        elif self._failures >= FAILURES and self.answered:
            self.open()

    def open(self) -> None:
        """Let nothing go until a probe is answered."""
        if not self.is_open:
            now = self._clock()
            self.is_open = True
            self._next_probe = now + self._wait
            self._failing_since = self._failing_since if self._failures else now

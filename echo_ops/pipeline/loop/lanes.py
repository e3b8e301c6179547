"""Pieces of work that need each other's results, a few at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")


class Lanes:
    """Runs each piece when what it needs is there, at most ``lanes`` at a time; a context that waits for all.

    A piece only waits for a process that it has started. When one fails, or who waits is interrupted, none begins any
    more, and all that were still to come fail as it did; one that is at work ends when it calls ``go_on``.
    """

    def __init__(self, lanes: int) -> None:
        self._free = Semaphore(lanes)
        self._failed: BaseException | None = None
        self._pool = ThreadPoolExecutor(max_workers=256)  # most of them wait

    def run(self, work: Callable[..., Result], *given: Any) -> Future[Result]:
        """``work`` of what is given, with the results of those that are futures, once all of them have one."""

        def piece() -> Result:
            results = [one.result() if isinstance(one, Future) else one for one in given]
            with self._free:
                self.go_on()
                try:
                    return work(*results)
                except BaseException as error:
                    self._failed = error
                    raise

        return self._pool.submit(piece)

    def go_on(self) -> None:
        """Nothing, or what another piece failed of."""
        if self._failed is not None:
            raise self._failed

    def __enter__(self) -> Lanes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            self._failed = self._failed or error
            self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        except BaseException as interrupt:
            self._failed = interrupt
            self._pool.shutdown(wait=True, cancel_futures=True)
            raise

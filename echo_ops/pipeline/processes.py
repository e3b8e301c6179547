"""The same work on many parts, over several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from threading import Thread
from typing import TypeVar

from echo_ops.errors import UnavailableError

Part = TypeVar("Part")
Result = TypeVar("Result")


def cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(work: Callable[[Part], Result], parts: Iterable[Part], processes: int) -> Iterator[Result]:
    """``work`` of each part, in the order of the parts; in this process where ``processes`` is 1.

    Few results wait for the reader at a time. Processes are started afresh, not forked: threads of Arrow and of the
    database driver do not survive a fork. They end with this one, also when it is killed.

    Args:
        work: a function of a module, and its parts and results, as pickle can carry them.
        parts: what to work on.
        processes: how many at the same time.

    Raises:
        UnavailableError: a process was killed, as by a machine that is out of memory.
        Whatever ``work`` raises.
    """
    if processes == 1:
        yield from map(work, parts)
        return
    waiting: deque[Future[Result]] = deque()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_follow_parent) as pool:
        try:
            for part in parts:
                waiting.append(pool.submit(work, part))
                if len(waiting) > processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise UnavailableError(
                f"one of {processes} processes was killed, perhaps for want of memory; free some, or set "
                "ECHO_HARVEST_PROCESSES lower"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _follow_parent() -> None:
    """End in silence when the parent is interrupted, and at once when it is gone."""
    signal.signal(signal.SIGINT, lambda _signal, _frame: sys.exit(130))
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=watch, daemon=True).start()

"""Parts that a thread makes before they are asked for."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import pytest

from echo_ops.errors import UnavailableError
from echo_ops.pipeline.extract import _one_ahead


def parts(until: int, ended: list[int], asked: threading.Semaphore | None = None) -> Generator[int, None, None]:
    """Numbers; notes how far it came when it is closed."""
    number = 0
    try:
        for number in range(until):
            if asked is not None:
                asked.release()
            yield number
    finally:
        ended.append(number)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_all_parts_come_in_their_order() -> None:
    ended: list[int] = []
    assert list(_one_ahead(parts(50, ended))) == list(range(50))
    assert ended == [49]


def test_one_is_made_ahead() -> None:
    ended: list[int] = []
    asked = threading.Semaphore(0)
    made = _one_ahead(parts(50, ended, asked))
    next(made)
    for _ in range(2):  # the one that was taken, and the next
        assert asked.acquire(timeout=5)
    assert not asked.acquire(timeout=0.05)
    made.close()
    assert ended == [1]


def test_an_error_is_raised_where_the_parts_are_taken() -> None:
    def broken() -> Generator[int, None, None]:
        yield 0
        raise UnavailableError("the server broke off")

    made = _one_ahead(broken())
    next(made)
    with pytest.raises(UnavailableError, match="broke off"):
        next(made)


def test_what_is_given_up_ends_the_threads_and_closes_what_it_reads_from() -> None:
    ended: list[int] = []
    made = _one_ahead(_one_ahead(parts(10**6, ended)))
    next(made)
    made.close()
    assert len(ended) == 1
    assert ended[0] < 10

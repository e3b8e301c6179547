"""Batches that are fetched by a thread before they are asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from echo_ops.errors import UnavailableError
from echo_ops.events.read import AHEAD, Batches, _ahead


def batches(until: int, ended: list[int], asked: threading.Semaphore | None = None) -> Batches:
    """Batches of one number each; notes how far it came when it is closed."""
    number = 0
    try:
        for number in range(until):
            if asked is not None:
                asked.release()
            yield pa.record_batch({"n": [number]})
    finally:
        ended.append(number)


def numbers(read: Iterator[pa.RecordBatch]) -> list[int]:
    return [batch["n"][0].as_py() for batch in read]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_all_batches_come_in_their_order() -> None:
    ended: list[int] = []
    assert numbers(_ahead(batches(50, ended))) == list(range(50))
    assert ended == [49]


def test_few_are_fetched_ahead() -> None:
    ended: list[int] = []
    asked = threading.Semaphore(0)
    read = _ahead(batches(50, ended, asked))
    next(read)
    for _ in range(AHEAD + 2):  # the one that is read, those in the queue, the one that waits for a place
        assert asked.acquire(timeout=5)
    assert not asked.acquire(timeout=0.05)
    read.close()
    assert ended == [AHEAD + 1]


def test_an_error_is_raised_where_the_batches_are_read() -> None:
    def broken() -> Batches:
        yield pa.record_batch({"n": [0]})
        raise UnavailableError("the server broke off")

    read = _ahead(broken())
    next(read)
    with pytest.raises(UnavailableError, match="broke off"):
        next(read)


def test_a_read_that_is_given_up_ends_the_thread_and_closes_the_connection() -> None:
    ended: list[int] = []
    read = _ahead(batches(10**6, ended))
    next(read)
    read.close()
    assert len(ended) == 1
    assert ended[0] < 10

"""When a server that fails is asked again."""

import asyncio
from itertools import pairwise

import pytest

from echo_ops.teacher.breaker import FAILURES, FIRST_WAIT, LONGEST_WAIT, LOOK, Breaker, GoneError


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def breaker(patience: float = 100.0, *, answered: bool = True) -> tuple[Breaker, Clock]:
    clock = Clock()
    made = Breaker(patience, clock, clock.sleep)
    if answered:
        made.succeeded()
    return made, clock


def admitted(made: Breaker) -> bool:
    return asyncio.run(made.admit())


def test_it_opens_after_failures_in_a_row_and_not_before() -> None:
    made, _ = breaker()
    for _ in range(FAILURES - 1):
        made.failed(False)
    made.succeeded()
    for _ in range(FAILURES - 1):
        made.failed(False)
        assert not made.is_open
    made.failed(False)
    assert made.is_open


def test_a_server_that_never_answered_is_not_waited_for() -> None:
    made, _ = breaker(answered=False)
    for _ in range(10 * FAILURES):
        made.failed(False)
    assert not made.is_open


def test_one_probe_at_a_time_and_its_answer_closes_it() -> None:
    made, clock = breaker()
    made.open()
    opened = clock.now
    assert admitted(made)
    assert FIRST_WAIT <= clock.now - opened < 2 * FIRST_WAIT + LOOK
    with pytest.raises(GoneError):  # nobody else gets through while the probe is under way
        admitted(made)
    assert clock.now - opened >= 100
    made.succeeded()
    assert not made.is_open
    assert not admitted(made)


def test_probes_that_fail_come_less_and_less_often_until_patience_is_over() -> None:
    made, clock = breaker(patience=200.0)
    for _ in range(FAILURES):
        made.failed(False)
    start, probes = clock.now, []
    while clock.now - start < 200 - LONGEST_WAIT:
        assert admitted(made)
        probes.append(clock.now)
        made.failed(True)
    made.failed(True)
    with pytest.raises(GoneError):
        _fail_on(made)
    waits = [later - earlier for earlier, later in pairwise(probes)]
    assert waits == sorted(waits)
    assert LONGEST_WAIT <= waits[-1] <= LONGEST_WAIT + 1
    assert 200 <= clock.now - start < 200 + LONGEST_WAIT
    assert len(probes) < 20


def test_patience_counts_from_the_first_failure() -> None:
    made, clock = breaker(patience=10.0)
    made.failed(False)
    clock.now += 11
    for _ in range(FAILURES):
        made.failed(False)
    with pytest.raises(GoneError):
        admitted(made)


def _fail_on(made: Breaker) -> None:
    while admitted(made):
        made.failed(True)

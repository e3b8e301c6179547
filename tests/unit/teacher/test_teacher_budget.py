"""What may be spent, by one and by several together."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from echo_ops.errors import BudgetError
from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.teacher.budget import SHARE, TRIES, Budget, Ledger
from echo_ops.teacher.usage import Usage


def spender(place: Path | None, **limits: Any) -> tuple[Budget, Usage]:
    usage = Usage()
    ledger = Ledger(str(place)) if place else None
    return Budget(TeacherSettings(**limits), usage, ledger, sleep=lambda _seconds: None), usage


def spend(budget: Budget, usage: Usage, most: int = 10_000) -> int:
    """Requests until the budget is used up."""
    for sent in range(most):
        while budget.spent_out:
            try:
                budget.reserve()
            except BudgetError:
                return sent
        usage.requests += 1
        usage.prompt_tokens += 9
        usage.output_tokens += 1
    return most


def test_without_limits_nothing_ends() -> None:
    assert spend(*spender(None)) == 10_000


@pytest.mark.parametrize(
    ("limits", "sent"), [({"max_requests": 7}, 7), ({"max_tokens": 70}, 7), ({"max_requests": 0}, 0)]
)
def test_alone(limits: dict[str, int], sent: int) -> None:
    assert spend(*spender(None, **limits)) == sent


@pytest.mark.parametrize(("limits", "sent"), [({"max_requests": 100}, 100), ({"max_tokens": 1000}, 100)])
def test_one_after_the_other_share_it(tmp_path: Path, limits: dict[str, int], sent: int) -> None:
    total = 0
    for most in (30, 30, 1000, 1000):
        budget, usage = spender(tmp_path, **limits)
        total += spend(budget, usage, most)
        budget.settle()
    assert total == sent
    assert Ledger(str(tmp_path)).total().requests == sent


def test_what_a_killed_spender_had_reserved_counts_as_spent(tmp_path: Path) -> None:
    spend(*spender(tmp_path, max_requests=100), most=12)  # never settled
    budget, usage = spender(tmp_path, max_requests=100)
    left = spend(budget, usage)
    assert 100 - 12 - 100 // SHARE <= left <= 100 - 12


def test_the_message_names_what_is_used_up(tmp_path: Path) -> None:
    budget, usage = spender(tmp_path, max_requests=1000, max_tokens=50)
    spend(budget, usage)
    with pytest.raises(BudgetError, match=r"budget of 50 tokens is used up, 50 of them here.*ECHO_TEACHER_MAX_TOKENS"):
        budget.reserve()


def test_more_is_spent_once_the_limit_is_raised(tmp_path: Path) -> None:
    budget, usage = spender(tmp_path, max_requests=10)
    assert spend(budget, usage) == 10
    budget.settle()
    assert spend(*spender(tmp_path, max_requests=10)) == 0
    assert spend(*spender(tmp_path, max_requests=25)) == 15


def test_two_that_reserve_at_the_same_time_never_get_more_than_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one writes between our writing and our adding up, each time: the worst order there is."""
    first, first_usage = spender(tmp_path, max_requests=3)
    second, second_usage = spender(tmp_path, max_requests=3)
    for budget, usage in ((first, first_usage), (second, second_usage)):
        other = Ledger(str(tmp_path))
        monkeypatch.setattr(
            budget,
            "_write",
            _then(budget._write, lambda other=other: other.write(Usage(), {"requests": 1, "tokens": 0})),
        )
        spend(budget, usage)
    assert (first_usage.requests, second_usage.requests) == (2, 0)  # and one for the first of the others


def test_several_processes_together(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        sent = pool.map(_spend_apart, [str(tmp_path)] * 3)
    assert 200 * (1 - 3 / SHARE) <= sum(sent) <= 200
    assert Ledger(str(tmp_path)).total().requests == sum(sent)


def test_a_damaged_file_is_passed_over_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "damaged.spent.json").write_text('{"usage": {"requ')
    assert spend(*spender(tmp_path, max_requests=10)) == 10
    assert "damaged.spent.json" in caplog.text


def test_a_spender_gives_up_after_some_tries(tmp_path: Path) -> None:
    slept: list[float] = []
    Ledger(str(tmp_path)).write(Usage(), {"requests": 10, "tokens": 0})
    budget = Budget(TeacherSettings(max_requests=10), Usage(), Ledger(str(tmp_path)), sleep=slept.append)
    with pytest.raises(BudgetError):
        budget.reserve()
    assert len(slept) == TRIES


def _spend_apart(place: str) -> int:
    usage = Usage()
    budget = Budget(TeacherSettings(max_requests=200), usage, Ledger(place))
    sent = spend(budget, usage)
    budget.settle()
    return sent


def _then(first: Any, second: Any) -> Any:
    def both(*arguments: Any) -> None:
        first(*arguments)
        second()

    return both

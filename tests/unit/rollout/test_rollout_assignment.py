from datetime import UTC, datetime

import pytest

from echo_ops.rollout.assignment import arm, position
from echo_ops.rollout.plan import Running

USERS = [f"user-{number}" for number in range(20_000)]


def running(share: float, rollout_id: str = "4@7") -> Running:
    return Running(rollout_id, "3", "4", share, datetime(2026, 11, 3, tzinfo=UTC))


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_the_share_of_users_is_the_share(share: float) -> None:
    got = sum(arm(running(share), user) == "challenger" for user in USERS) / len(USERS)
    assert got == pytest.approx(share, abs=0.01)


def test_the_next_rollout_deals_anew() -> None:
    first = {user for user in USERS if arm(running(0.25, "4@7"), user) == "challenger"}
    second = {user for user in USERS if arm(running(0.25, "5@19"), user) == "challenger"}
    assert len(first & second) / len(first) == pytest.approx(0.25, abs=0.02)


def test_the_formula_is_what_other_languages_were_told() -> None:
    # printf '4@7\nuser-1' | sha256sum | cut -c1-13, over 16^13
    assert position("4@7", "user-1") == int("2529c70550eef", 16) / 16**13

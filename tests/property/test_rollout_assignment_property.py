from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from echo_ops.rollout.assignment import arm, position
from echo_ops.rollout.plan import Running

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
share = st.floats(0, 1, exclude_max=True)


@given(text, text)
def test_a_position_is_a_number_below_one_and_always_the_same(rollout_id: str, user_id: str) -> None:
    assert 0 <= position(rollout_id, user_id) < 1
    assert position(rollout_id, user_id) == position(rollout_id, user_id)


@given(text, text, share, share)
def test_who_has_the_challenger_keeps_it_when_the_share_grows(
    rollout_id: str, user_id: str, one: float, other: float
) -> None:
    smaller, larger = (
        arm(Running(rollout_id, "3", "4", value, datetime(2026, 11, 3, tzinfo=UTC)), user_id)
        for value in sorted((one, other))
    )
    assert not (smaller == "challenger" and larger == "champion")

"""What the user did with a proposal, and how much of it was kept."""

import pytest

from echo_ops.lifecycle.decision import at_caret, kept_rate, stronger


@pytest.mark.parametrize(
    ("proposal", "committed", "rate"),
    [
        ("abcd", "abcd", 1.0),
        ("abcd", "  abcd()", 1.0),
        ("abcd", "", 0.0),
        ("abcd", "abxd", 0.75),
        ("abcd", "xyz", 0.0),
        ("aab", "ab", 2 / 3),
        ("ab", "ba", 0.5),  # in the same order
    ],
)
def test_kept_rate(proposal: str, committed: str, rate: float) -> None:
    assert kept_rate(proposal, committed) == pytest.approx(rate)


def test_a_replacement_of_the_line_is_an_insertion_at_the_caret() -> None:
    assert at_caret("  return foo(bar)", "  return ", ")") == "foo(bar"
    assert at_caret("x = 1", "y", "") == "x = 1"


def test_the_strongest_outcome_counts() -> None:
    assert stronger(None, "ignored") == "ignored"
    assert stronger("partially_accepted", "rejected") == "partially_accepted"
    assert stronger("rejected", "accepted") == "accepted"

"""Edits as clients send them."""

import pytest

from echo_ops.lifecycle.edits import BadEditsError, common_end, common_start, parse, parse_all

BAD = [
    "",
    "{}",
    "[[1, 2]]",
    '[[2, 1, "a"]]',
    '[[-1, 1, "a"]]',
    "[[0, 1, null]]",
    '[[0.5, 1, "a"]]',
    '[[true, 1, "a"]]',
    '[[0, 3, "a"], [2, 4, "b"]]',
    "[" * 100_000,
]


@pytest.mark.parametrize("raw", BAD)
def test_what_cannot_be_used_is_refused(raw: str) -> None:
    with pytest.raises(BadEditsError):
        parse(raw)


def test_edits_come_in_ascending_order() -> None:
    assert parse('[[5, 6, "b"], [0, 2, "a"], [2, 2, ""]]') == [(0, 2, "a"), (2, 2, ""), (5, 6, "b")]


def test_one_bad_row_spoils_only_itself() -> None:
    good = '[[0, 0, "a"]]'
    assert parse_all([good, "nonsense", "[], []", good]) == [[(0, 0, "a")], None, None, [(0, 0, "a")]]
    assert parse_all([]) == []


@pytest.mark.parametrize(
    ("one", "other", "start", "end"),
    [
        ("", "", 0, 0),
        ("abc", "abc", 3, 3),
        ("abc", "abd", 2, 0),
        ("xbc", "bc", 0, 2),
        ("a", "", 0, 0),
        ("aXb", "aYb", 1, 1),
    ],
)
def test_what_two_texts_have_in_common(one: str, other: str, start: int, end: int) -> None:
    assert (common_start(one, other), common_end(one, other)) == (start, end)

import math

import pyarrow as pa
import pytest

from echo_ops.training.scores import SCORES, edit_similarity, kept_rate, score, summarise


@pytest.mark.parametrize(
    ("proposal", "lesson", "expected"),
    [
        ("", "", 1.0),
        ("abc", "abc", 1.0),
        ("", "abcd", 0.0),
        ("kitten", "sitting", 1 - 3 / 7),
        ("self.x = x", "self.y = y", 0.8),
        ("ab", "ba", 0.0),
    ],
)
def test_edit_similarity(proposal: str, lesson: str, expected: float) -> None:
    assert edit_similarity(proposal, lesson) == pytest.approx(expected)
    assert edit_similarity(lesson, proposal) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("proposal", "committed", "expected"),
    [
        ("", "abc", None),
        ("abc", "abcdef", 1.0),
        ("abcd", "abc", 0.75),
        ("abcd", "", 0.0),
        ("foo(x)", "foo(yy)", 5 / 6),
    ],
)
def test_kept_rate(proposal: str, committed: str, expected: float | None) -> None:
    assert kept_rate(proposal, committed) == expected


def row(request: str, lesson: str, committed: str | None = None) -> dict[str, str]:
    return {"request_id": request, "lesson": lesson, "committed": lesson if committed is None else committed}


def test_the_summary_of_a_few_requests_by_hand() -> None:
    scores = pa.Table.from_pylist(
        [
            score(row("a", "abcd", "abcdef"), "abcd", 2.0, 3),
            score(row("b", "abcd"), "ab", 4.0, 2),
            score(row("c", "abcd"), "", None, 5),
            score(row("d", "", "x"), "", 1.0, 1),
            score(row("e", "", "x"), "yy", 1.0, 1),
        ],
        schema=SCORES,
    )
    assert summarise(scores) == {
        "requests": 5,
        "exact_match": pytest.approx(1 / 3),
        "edit_similarity": pytest.approx((1 + 0.5 + 0) / 3),
        "kept_rate": 1.0,
        "saved_share": pytest.approx(6 / 12),
        "perplexity": pytest.approx(math.exp(8 / 7)),
        "nll_per_character": pytest.approx(8 / 12),
        "void": 2,
        "silence_precision": 0.5,
        "silence_recall": 0.5,
    }


def test_a_figure_without_rows_is_none() -> None:
    summary = summarise(SCORES.empty_table())
    assert summary.pop("requests") == summary.pop("void") == 0
    assert set(summary.values()) == {None}

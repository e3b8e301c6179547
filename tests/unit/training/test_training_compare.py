import random
from typing import Any

import pyarrow as pa
import pytest

from echo_ops.errors import InputError
from echo_ops.training.compare import Comparison, Difference, clusters_of, compare
from echo_ops.training.scores import FIGURES, SCORES, summarise

REQUESTS = [f"q{i:03}" for i in range(240)]
CLUSTERS = {request: f"u{i % 12}" for i, request in enumerate(REQUESTS)}


def scores(
    seed: int, nll: float = 0.0, exact: float = 0.3, kept: float = 0.5, similar: float = 0.5, **user_noise: float
) -> pa.Table:
    """Scores whose noise is shared between models, as the requests' difficulty is, but for a little of ``seed``."""
    shared, own = random.Random(99), random.Random(seed)
    rows: list[dict[str, Any]] = []
    for request in REQUESTS:
        hard, luck = shared.gauss(20, 5), shared.random()
        rows.append(
            {
                "request_id": request,
                "language": "go" if len(rows) % 3 else "python",
                "void": False,
                "silent": False,
                "exact_match": luck < exact,
                "edit_similarity": similar,
                "kept_rate": min(1.0, max(0.0, kept + own.gauss(0, 0.05))),
                "saved": 5,
                "nll": hard + own.gauss(0, 1) + nll + user_noise.get(CLUSTERS[request], 0.0),
                "tokens": 8,
                "characters": 20,
            }
        )
    return pa.Table.from_pylist(rows, schema=SCORES)


def nll(comparison: Comparison) -> Difference:
    difference = comparison.figures["nll_per_character"].difference
    assert difference is not None
    return difference


CHAMPION = scores(1)

JUDGED = [
    ("lower likelihood loss, the rest alike", scores(2, nll=-2), True, "more likely"),
    ("the same but for chance", scores(2), False, "did not change beyond chance"),
    ("higher likelihood loss", scores(2, nll=+2), False, "became less likely"),
    ("likelier, but fewer exact matches", scores(2, nll=-2, exact=0.1), False, "fewer exact matches"),
    ("likelier, but silent", scores(2, nll=-2, similar=0.3), False, "less similar"),
    ("likelier, but less is kept", scores(2, nll=-2, kept=0.4), False, "less is kept"),
    ("likelier for one user alone", scores(2, u3=-20.0), False, "did not change beyond chance"),
]


@pytest.mark.parametrize(
    ("challenger", "better", "reason"), [case[1:] for case in JUDGED], ids=[case[0] for case in JUDGED]
)
def test_who_is_better(challenger: pa.Table, better: bool, reason: str) -> None:
    comparison = compare(CHAMPION, challenger, CLUSTERS, seed=0)
    assert comparison.better is better, comparison.reason
    assert reason in comparison.reason
    assert (comparison.requests, comparison.clusters) == (240, 12)


def test_the_order_of_the_rows_changes_nothing() -> None:
    shuffled = list(range(240))
    random.Random(5).shuffle(shuffled)
    challenger = scores(2, nll=-2)
    backwards = compare(CHAMPION.take(shuffled), challenger.take(shuffled[::-1]), CLUSTERS, seed=0)
    assert backwards == compare(CHAMPION, challenger, CLUSTERS, seed=0)


def test_a_model_compared_with_itself_differs_in_nothing() -> None:
    comparison = compare(CHAMPION, CHAMPION, CLUSTERS, seed=0)
    assert not comparison.better
    assert nll(comparison).value == nll(comparison).low == 0


def test_the_interval_is_wider_by_user_than_by_request() -> None:
    noisy = {f"u{i}": (-1.0) ** i * 3 - 2 for i in range(12)}
    challenger = scores(2, **noisy)
    by_user = nll(compare(CHAMPION, challenger, CLUSTERS, seed=0))
    by_request = nll(compare(CHAMPION, challenger, {one: one for one in REQUESTS}, seed=0))
    assert by_user.value == pytest.approx(by_request.value)
    assert by_user.high - by_user.low > 2 * (by_request.high - by_request.low)


def test_too_few_clusters_are_no_evidence() -> None:
    comparison = compare(CHAMPION, scores(2, nll=-2), {one: f"u{i % 3}" for i, one in enumerate(REQUESTS)}, seed=0)
    assert not comparison.better
    assert comparison.reason.startswith("3 independent clusters")


def test_different_requests_are_refused() -> None:
    with pytest.raises(InputError, match=r"different requests \(240 and 239, 239 in both\)"):
        compare(CHAMPION, scores(2).slice(1), CLUSTERS, seed=0)


@pytest.mark.parametrize(
    ("users", "repositories", "expected"),
    [(10, 2, "user"), (3, 9, "repository"), (2, 2, "document"), (1, 1, "document")],
)
def test_requests_are_clustered_by_the_coarsest_that_is_many(users: int, repositories: int, expected: str) -> None:
    rows = pa.table(
        {
            "request_id": REQUESTS,
            "user_id": [f"user{i % users}" for i in range(240)],
            "repository": [f"repository{i % repositories}" for i in range(240)],
            "document_id": [f"document{i % 20}" for i in range(240)],
        }
    )
    assert all(cluster.startswith(expected) for cluster in clusters_of(rows).values())


def test_an_interval_is_that_of_drawing_users_one_by_one() -> None:
    """The same bootstrap, written as it is described: draw users, add up their requests, divide, subtract."""
    challenger, chance = scores(2, nll=-0.5, u3=-3.0), random.Random(1)
    by_user: dict[str, list[tuple[float, float, int]]] = {}
    for before, after in zip(CHAMPION.to_pylist(), challenger.to_pylist(), strict=True):
        rows = by_user.setdefault(CLUSTERS[before["request_id"]], [])
        rows.append((before["nll"], after["nll"], before["characters"]))
    differences = []
    for _ in range(4000):
        drawn = [row for user in chance.choices(sorted(by_user), k=len(by_user)) for row in by_user[user]]
        differences.append(sum(after - before for before, after, _ in drawn) / sum(row[2] for row in drawn))
    differences.sort()
    found = nll(compare(CHAMPION, challenger, CLUSTERS, seed=0))
    width = found.high - found.low
    assert found.low == pytest.approx(differences[100], abs=0.08 * width)
    assert found.high == pytest.approx(differences[3900], abs=0.08 * width)


def test_a_slice_is_a_comparison_of_its_rows_alone() -> None:
    challenger = scores(2, nll=-2, exact=0.4)
    new = {request: "new" if index % 2 else "known" for index, request in enumerate(REQUESTS)}
    comparison = compare(CHAMPION, challenger, CLUSTERS, seed=0, groups={"user": new})
    assert [(one.by, one.value, one.requests, one.clusters) for one in comparison.slices] == [
        ("language", "go", 160, 8),
        ("language", "python", 80, 4),
        ("length", "9-32", 240, 12),
        ("user", "known", 120, 6),
        ("user", "new", 120, 6),
    ]
    python = comparison.slices[1]
    assert python.figures["exact_match"].difference is None  # four users tell nothing of chance
    rows = pa.array([language == "python" for language in CHAMPION["language"].to_pylist()])
    for table, who in ((CHAMPION, "champion"), (challenger, "challenger")):
        alone, whole = summarise(table.filter(rows)), summarise(table)
        for name in (figure.name for figure in FIGURES):
            assert getattr(python.figures[name], who) == pytest.approx(alone[name]), name
            assert getattr(comparison.figures[name], who) == pytest.approx(whole[name]), name
    assert comparison.slices[2].figures == comparison.figures


def test_a_figure_that_few_users_tell_of_has_no_interval() -> None:
    rows = CHAMPION.to_pylist()
    for row in rows:
        row |= {"void": CLUSTERS[row["request_id"]] in {"u1", "u2"}, "characters": 1 if row["void"] else 20}
    table = pa.Table.from_pylist(rows, schema=SCORES)
    figures = compare(table, table, CLUSTERS, seed=0).figures
    assert figures["silence_recall"].champion == 0
    assert figures["silence_recall"].difference is None
    assert figures["exact_match"].difference is not None
    assert figures["silence_precision"].champion is None  # neither was ever silent

import pyarrow as pa
import pytest

from echo_ops.errors import InputError
from echo_ops.training.replay import choose, mix


def rows(*ids: str) -> pa.Table:
    return pa.table({"request_id": list(ids), "lesson": [f"lesson of {one}" for one in ids]})


WINDOW = rows(*(f"new{i}" for i in range(80)))
OLDER = rows(*(f"old{i}" for i in range(100)))


def ids(table: pa.Table) -> list[str]:
    return list(table["request_id"].to_pylist())


@pytest.mark.parametrize(("share", "replayed"), [(0.0, 0), (0.2, 20), (0.5, 80), (0.9, 100)])
def test_the_share_is_of_the_whole_as_far_as_there_are_rows(share: float, replayed: int) -> None:
    mixed = mix(WINDOW, OLDER, share, seed=0)
    assert sum(one.startswith("old") for one in ids(mixed)) == replayed
    assert {one for one in ids(mixed) if one.startswith("new")} == set(ids(WINDOW))
    assert len(ids(mixed)) == len(set(ids(mixed)))


def test_the_order_of_the_rows_changes_nothing() -> None:
    backwards = mix(WINDOW.take(list(range(79, -1, -1))), OLDER.take(list(range(99, -1, -1))), 0.2, seed=0)
    assert backwards == mix(WINDOW, OLDER, 0.2, seed=0)


def test_another_seed_replays_other_rows() -> None:
    assert set(ids(mix(WINDOW, OLDER, 0.2, seed=0))) != set(ids(mix(WINDOW, OLDER, 0.2, seed=1)))


def test_a_request_of_the_window_is_not_replayed_too() -> None:
    mixed = mix(rows("a", "b"), rows("a", "b", "c"), 0.5, seed=0)
    assert sorted(ids(mixed)) == ["a", "b", "c"]


def test_rows_keep_their_values() -> None:
    mixed = mix(WINDOW, OLDER, 0.2, seed=0)
    assert all(row["lesson"] == f"lesson of {row['request_id']}" for row in mixed.to_pylist())


@pytest.mark.parametrize("share", [1.0, -0.1])
def test_a_share_without_sense_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="replay share"):
        mix(WINDOW, OLDER, share, seed=0)


def test_a_smaller_choice_is_the_start_of_a_larger_one() -> None:
    assert ids(choose(WINDOW, 10)) == ids(choose(WINDOW, 40))[:10]
    assert choose(WINDOW, 1000).num_rows == 80

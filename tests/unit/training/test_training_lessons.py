import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import InputError, SchemaError
from echo_ops.training.fim import Layout
from echo_ops.training.lessons import COLUMNS, Lessons, dataset, order, read, render


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=COLUMNS), path)
    return path


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "request_id": f"q{number:03}",
        "prefix": "x = 1\n" * (number % 7),
        "suffix": "\n",
        "lesson": f"y{number}",
        "committed": f"y{number}\n",
        "weight": 1.0,
        "split": "train",
        **changes,
    }


def of_lengths(lengths: list[int], weights: list[float] | None = None) -> Lessons:
    ids = [f"q{i:03}" for i in range(len(lengths))]
    return Lessons(Path("unused"), ids, lengths, [1] * len(ids), weights or [1.0] * len(ids), 0)


def test_only_train_rows_are_learned_and_those_that_do_not_fit_are_counted(
    small_tokenizer: Any, tmp_path: Path
) -> None:
    rows = [row(0), row(1, split="evaluation"), row(2, lesson="z" * 500), row(3, lesson="")]
    layout = Layout(small_tokenizer)
    lessons = render([write(tmp_path / "rows.parquet", rows)], layout, 64, 16, tmp_path / "lessons.arrow")
    assert (lessons.request_ids, lessons.too_long) == (["q000", "q003"], 1)
    first, silence = dataset(lessons, [0, 1])
    assert layout.split(layout.render("", "\n", "y0", 64, 16))[2] == layout.decode(
        [i for i in first["labels"] if i >= 0]
    )
    assert [label for label in silence["labels"] if label >= 0] == [layout.end_id]
    assert lessons.lengths == [len(first["input_ids"]), len(silence["input_ids"])]


def test_what_cannot_be_learned_from_is_refused(small_tokenizer: Any, tmp_path: Path) -> None:
    layout, arrow = Layout(small_tokenizer), tmp_path / "lessons.arrow"
    with pytest.raises(InputError, match="no Parquet file"):
        render([tmp_path / "missing.parquet"], layout, 64, 16, arrow)
    with pytest.raises(InputError, match="holds no lesson to learn"):
        render([write(tmp_path / "rows.parquet", [row(1, split="evaluation")])], layout, 64, 16, arrow)
    pq.write_table(pa.table({"request_id": ["a"]}), tmp_path / "narrow.parquet")
    with pytest.raises(SchemaError, match="prefix"):
        list(read(tmp_path / "narrow.parquet"))


def test_an_order_holds_each_row_once_per_pass() -> None:
    lessons = of_lengths([10 + i % 13 for i in range(103)])
    assert sorted(order(lessons, 8, 1, seed=0)) == list(range(103))
    assert sorted(order(lessons, 8, 2, seed=0)) == sorted([*range(103), *range(103)])
    assert len(order(lessons, 8, 1.5, seed=0)) == 103 + 52
    assert len(set(order(lessons, 8, 0.5, seed=0))) == 52


def test_an_order_depends_on_the_seed_and_not_on_where_the_rows_stand() -> None:
    lengths = [10 + i % 13 for i in range(103)]
    lessons = of_lengths(lengths)
    shuffled = list(range(103))
    random.Random(1).shuffle(shuffled)
    other = Lessons(
        Path("unused"),
        [lessons.request_ids[i] for i in shuffled],
        [lengths[i] for i in shuffled],
        [1] * 103,
        [1.0] * 103,
        0,
    )
    names = [lessons.request_ids[i] for i in order(lessons, 8, 2, seed=0)]
    assert names == [other.request_ids[i] for i in order(other, 8, 2, seed=0)]
    assert names != [lessons.request_ids[i] for i in order(lessons, 8, 2, seed=1)]


def test_rows_of_a_batch_are_of_like_length() -> None:
    chooser = random.Random(0)
    lengths = [chooser.randint(10, 200) for _ in range(512)]
    rows = order(of_lengths(lengths), 16, 1, seed=0)
    batches = [[lengths[row] for row in rows[at : at + 16]] for at in range(0, 512, 16)]
    padding = 1 - sum(lengths) / sum(16 * max(batch) for batch in batches)
    assert padding < 0.06
    assert [max(batch) for batch in batches] != sorted(max(batch) for batch in batches)


@pytest.mark.parametrize(
    ("weight", "low", "high"), [(0.0, 0, 0), (0.3, 250, 350), (1.0, 1000, 1000), (2.0, 2000, 2000)]
)
def test_a_weight_is_how_often_a_row_is_seen(weight: float, low: int, high: int) -> None:
    assert low <= len(order(of_lengths([10] * 1000, [weight] * 1000), 8, 1, seed=0)) <= high

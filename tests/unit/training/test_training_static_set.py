import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import InputError
from echo_ops.training.lessons import COLUMNS
from echo_ops.training.static_set import sample

ROWS = [{"prefix": f"x = {i}\n", "suffix": "\n", "lesson": f"y{i}", "source": "a book"} for i in range(50)]


def test_the_same_rows_are_chosen_of_either_format_in_any_order(tmp_path: Path) -> None:
    lines, table = tmp_path / "set.jsonl", tmp_path / "set.parquet"
    lines.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    pq.write_table(pa.Table.from_pylist(ROWS[::-1]), table)
    chosen = sample(lines, 7, seed=0)
    assert chosen.schema == COLUMNS
    assert chosen.num_rows == 7
    assert chosen == sample(table, 7, seed=0)
    assert chosen != sample(lines, 7, seed=1)
    assert sample(lines, 1000, seed=0).num_rows == 50
    assert chosen.to_pylist()[0]["lesson"] in {row["lesson"] for row in ROWS}


@pytest.mark.parametrize(
    "second", ["{", '{"prefix": "a", "suffix": "b"}', '{"prefix": 1, "suffix": "", "lesson": ""}', "3"]
)
def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, second: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n" + second + "\n")
    with pytest.raises(InputError, match=r"cannot be read after row 1 .*ECHO_TRAINING_STATIC_SET"):
        sample(path, 5, seed=0)


def test_a_file_that_is_not_there_or_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.parquet").write_text("no parquet")
    for name in ("set.parquet", "nothing.jsonl"):
        with pytest.raises(InputError, match="after row 0"):
            sample(tmp_path / name, 5, seed=0)

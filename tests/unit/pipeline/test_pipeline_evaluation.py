"""What is made of the scores of both models."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import InputError
from echo_ops.pipeline.evaluation import judge
from echo_ops.settings import Settings, load
from echo_ops.training.compare import Difference
from echo_ops.training.infilling import Guard
from echo_ops.training.scores import SCORES, score

USERS = 12


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Scores of a challenger that is likelier on each request, and the same beside that."""
    rows: list[dict[str, Any]] = [
        {
            "request_id": f"q{number:02}",
            "language": "c++/x" if number % 2 else None,
            "lesson": "abcd",
            "committed": "abcd",
        }
        for number in range(4 * USERS)
    ]
    for who, better in (("champion", 0.0), ("challenger", 1.0)):
        table = [score(row, "abxx", 9.0 + number % 5 - better, 3) for number, row in enumerate(rows)]
        pq.write_table(pa.Table.from_pylist(table, schema=SCORES), tmp_path / f"{who}.parquet")
    requests = [row["request_id"] for row in rows]
    users = [f"u{number % USERS}" for number in range(len(rows))]
    same = ["r"] * len(rows)
    held_out = {"request_id": requests, "user_id": users, "repository": same, "document_id": same}
    pq.write_table(pa.table(held_out), tmp_path / "evaluation.parquet")
    pq.write_table(pa.table({"user_id": ["u0", "u1", "u2", "other"]}), tmp_path / "train.parquet")
    return tmp_path


def test_users_that_were_learned_from_are_told_apart(night: Path) -> None:
    judged = judge(night, Settings(home=night))
    assert judged.comparison.better
    assert judged.guard is None
    by_user = {one.value: (one.requests, one.clusters) for one in judged.comparison.slices if one.by == "user"}
    assert by_user == {"learned from": (12, 3), "new": (36, 9)}
    metrics = judged.metrics()
    assert metrics["difference.nll_per_character"] == pytest.approx(-0.2)
    assert metrics["champion.user.new.saved_share"] == 0.5
    assert metrics["champion.language.c___x.saved_share"] == 0.5  # MLflow takes no plus sign
    assert judged.measured["challenger"]["saved_share"] == 0.5


@pytest.mark.parametrize(("high", "better"), [(-0.01, False), (0.0, True)])
def test_who_forgets_is_not_better(night: Path, high: float, better: bool) -> None:
    guard = Guard(164, 164, 0.5, 0.4, Difference(-0.1, -0.2, high))
    (night / "infilling.json").write_text(json.dumps(asdict(guard)))
    judged = judge(night, Settings(home=night))
    assert judged.guard == guard
    assert judged.comparison.better is better
    assert judged.comparison.reason.startswith("it forgets: passes of 164 static problems -0.100") is not better
    assert judged.metrics()["difference.infilling.high"] == high


def test_code_is_not_run_unless_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_EVALUATION_INFILLING", "problems.jsonl")
    with pytest.raises(InputError, match="ECHO_EVALUATION_RUN_CODE=true allows it"):
        load()
    monkeypatch.setenv("ECHO_EVALUATION_RUN_CODE", "true")
    assert load().evaluation.infilling == Path("problems.jsonl")

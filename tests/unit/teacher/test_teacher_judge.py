"""From lifecycles to verdicts."""

from typing import Any

import pyarrow as pa
import pytest

from echo_ops.errors import SchemaError
from echo_ops.schema.verdicts import VERDICTS
from echo_ops.teacher import judge as judging
from echo_ops.teacher.judge import judge
from echo_ops.teacher.port import NOTHING, Answer, FakeTeacher, Question
from echo_ops.teacher.syntax import SyntaxTeacher


def lifecycles(*rows: dict[str, Any]) -> pa.Table:
    base = {
        "language": "python",
        "prefix": "x = ",
        "suffix": "\n",
        "proposal": "1",
        "committed": "1\ny = 2",
        "close_reason": "idle",
    }
    columns = ("request_id", *base)
    filled = [base | row for row in rows]
    return pa.table({name: pa.array([row[name] for row in filled], pa.string()) for name in columns})


def test_one_row_per_known_commit_that_closed_before_the_horizon() -> None:
    table = lifecycles(
        {"request_id": "d"},
        {"request_id": "c", "committed": ""},
        {"request_id": "b", "committed": None},
        {"request_id": "a", "close_reason": "horizon"},
    )
    verdicts = judge(table, SyntaxTeacher())
    assert verdicts.schema == VERDICTS
    assert verdicts.to_pylist() == [
        {
            "request_id": request_id,
            "cut": cut,
            "cut_kind": kind,
            "cut_probability": None,
            "verdict": verdict,
            "verdict_probability": None,
            "teacher": "syntax",
            "prompt_version": "2",
        }
        for request_id, cut, kind, verdict in [("c", 0, "none", "silence"), ("d", 1, "statement", "fill")]
    ]


def test_the_order_of_rows_and_the_size_of_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    table = lifecycles(*({"request_id": f"r{n}", "committed": f"{n}\n"} for n in range(10)))
    expected = judge(table, SyntaxTeacher())
    monkeypatch.setattr(judging, "BATCH", 3)
    assert judge(table.sort_by([("request_id", "descending")]), SyntaxTeacher()).equals(expected)


def test_a_refused_answer_leaves_its_row_unjudged() -> None:
    def rule(question: Question) -> Answer | None:
        return None if question.committed == "bad" else Answer(NOTHING, 0.5, "silence", 0.25)

    teacher = FakeTeacher(rule, name="model")
    verdicts = judge(lifecycles({"request_id": "a"}, {"request_id": "b", "committed": "bad"}), teacher)
    assert verdicts.select(["request_id", "teacher", "cut_probability", "verdict_probability"]).to_pylist() == [
        {"request_id": "a", "teacher": "model", "cut_probability": 0.5, "verdict_probability": 0.25}
    ]
    assert len(teacher.asked) == 2


def test_the_fake_takes_all_of_a_commit() -> None:
    verdicts = judge(lifecycles({"request_id": "a"}, {"request_id": "b", "committed": ""}), FakeTeacher())
    assert verdicts["cut"].to_pylist() == [len("1\ny = 2"), 0]
    assert verdicts["verdict"].to_pylist() == ["fill", "silence"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SchemaError, match="committed"):
        judge(lifecycles({"request_id": "a"}).drop_columns(["committed"]), SyntaxTeacher())

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.settings import Training
from echo_ops.training.evaluate import COLUMNS, EvaluationSpec, evaluate, launch
from echo_ops.training.fim import Layout
from echo_ops.training.scores import SCORES

TRAINING = Training(context_tokens=64, max_new_tokens=8, evaluation_batch_size=4, threads=1)


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    lessons = ["first", "", "print(name)\n", "x", "return first + second", "y" * 90, "self.x = x", "z"]
    return pa.Table.from_pylist(
        [
            {
                "request_id": f"q{i}",
                "prefix": "def f():\n" * i,
                "suffix": "\n" * (i % 3),
                "lesson": lesson,
                "committed": lesson,
                "language": "python" if i % 2 else None,
            }
            for i, lesson in enumerate(lessons)
        ],
        schema=COLUMNS,
    )


@pytest.fixture(scope="module")
def scores(small_model: Path, rows: pa.Table) -> pa.Table:
    return evaluate(small_model, rows, TRAINING)


def test_likelihoods_are_those_of_each_request_alone(small_model: Path, rows: pa.Table, scores: pa.Table) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    layout = Layout(AutoTokenizer.from_pretrained(small_model))
    model = AutoModelForCausalLM.from_pretrained(small_model)
    for row, scored in zip(rows.to_pylist(), scores.to_pylist(), strict=True):
        if len(layout.encode(row["lesson"])) > 60:
            assert scored["nll"] is None
            continue
        example = layout.render(row["prefix"], row["suffix"], row["lesson"], 64, 8)
        with torch.no_grad():
            logits = torch.log_softmax(model(torch.tensor([example.input_ids])).logits[0], dim=-1)
        target = example.lesson
        start = len(example.input_ids) - len(target)
        expected = -sum(float(logits[start + i - 1, token]) for i, token in enumerate(target))
        assert scored["nll"] == pytest.approx(expected, rel=1e-4)
        assert (scored["tokens"], scored["characters"]) == (len(target), len(row["lesson"]) + 1)


def test_proposals_are_those_of_each_request_alone(small_model: Path, rows: pa.Table, scores: pa.Table) -> None:
    alone = evaluate(small_model, rows, TRAINING.model_copy(update={"evaluation_batch_size": 1}))
    for name in ("silent", "exact_match", "edit_similarity", "kept_rate", "void", "tokens"):
        assert alone[name].to_pylist() == scores[name].to_pylist(), name


def test_the_order_of_the_rows_changes_nothing(small_model: Path, rows: pa.Table, scores: pa.Table) -> None:
    assert scores["request_id"].to_pylist() == sorted(rows["request_id"].to_pylist())
    assert evaluate(small_model, rows.take(list(range(7, -1, -1))), TRAINING) == scores


def test_a_model_that_knows_the_lesson_is_scored_for_it(small_model: Path, rows: pa.Table, tmp_path: Path) -> None:
    """Silence taught by hand: all weight on the end token."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(small_model)
    tokenizer = AutoTokenizer.from_pretrained(small_model)
    end = Layout(tokenizer).end_id
    with torch.no_grad():
        model.model.norm.weight.zero_()  # every logit is 0, and the first token of the vocabulary, the end, wins
    assert end == 0
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    silent = evaluate(tmp_path, rows, TRAINING).to_pylist()
    assert all(row["silent"] and row["kept_rate"] is None for row in silent)
    assert [row["exact_match"] for row in silent] == [row["void"] for row in silent]
    assert sum(row["void"] for row in silent) == 1


def test_a_process_of_its_own_does_the_same(
    small_model: Path, rows: pa.Table, scores: pa.Table, tmp_path: Path
) -> None:
    pq.write_table(rows, tmp_path / "rows.parquet")
    told: list[Any] = []
    problems = tmp_path.parent / f"{tmp_path.name}.jsonl"
    fields = ("task_id", "prompt", "suffix", "canonical_solution", "test", "entry_point")
    problems.write_text(json.dumps(dict.fromkeys(fields, "x") | {"task_id": "test/0"}))
    files = str(tmp_path / "rows.parquet"), str(tmp_path / "scores.parquet")
    spec = EvaluationSpec(str(small_model), *files, TRAINING, str(problems), 16)
    assert launch(spec, told.append) == scores
    assert [progress.done for progress in told] == [4, 8, 0]
    assert pq.read_table(tmp_path / "scores.parquet").schema.equals(SCORES)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "rows.parquet",
        "scores.completions.json",
        "scores.parquet",
        "scores.proposals.parquet",
    ]
    proposals = pq.read_table(spec.proposals).sort_by("request_id").to_pylist()
    assert [not row["proposal"] for row in proposals] == scores["silent"].to_pylist()
    assert list(json.loads(spec.completions.read_text())) == ["test/0"]

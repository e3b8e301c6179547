"""Lifecycles and verdicts in, examples and dropped rows out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from echo_ops.curation.curate import CANDIDATES, KEYS, assemble, refine, select
from echo_ops.errors import SchemaError
from echo_ops.schema.examples import DROPPED, EXAMPLES
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.schema.verdicts import VERDICTS
from echo_ops.settings import Curation

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPEN = Curation(void_share=1.0)


def lifecycle(request_id: str, **changed: Any) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "document_id": f"document {request_id}",
        "session_id": "s",
        "user_id": "u",
        "repository": "r",
        "language": "python",
        "model_version": "7",
        "requested_at": NOON,
        "received_at": NOON,
        "prefix": f"{request_id} = ",
        "suffix": "\n",
        "proposal": "2",
        "decision": "rejected",
        "committed": "1\ny = 2",
        "close_reason": "idle",
        "closed_at": NOON,
        "evidence": "edits",
        "confidence": "exact",
        "kept_rate": 0.0,
        "policy": "default",
    } | changed


def verdict(request_id: str, cut: int = 1, said: str = "fill") -> dict[str, Any]:
    return {
        "request_id": request_id,
        "cut": cut,
        "cut_kind": "statement",
        "cut_probability": 0.75,
        "verdict": said,
        "verdict_probability": None,
        "teacher": "model",
        "prompt_version": "1",
    }


def tables(lifecycles: list[dict[str, Any]], verdicts: list[dict[str, Any]]) -> tuple[pa.Table, pa.Table]:
    return pa.Table.from_pylist(lifecycles, schema=LIFECYCLES), pa.Table.from_pylist(verdicts, schema=VERDICTS)


def test_an_example_holds_what_was_said_of_it() -> None:
    refined = refine(*tables([lifecycle("a")], [verdict("a")]), OPEN)
    assert (refined.candidates.schema, refined.keys.schema, refined.dropped.schema) == (CANDIDATES, KEYS, DROPPED)
    selection = select(refined.keys, OPEN)
    (example,) = assemble(refined.candidates, selection.kept).to_pylist()
    assert example == {
        "request_id": "a",
        "user_id": "u",
        "repository": "r",
        "document_id": "document a",
        "language": "python",
        "requested_at": NOON,
        "model_version": "7",
        "prefix": "a = ",
        "suffix": "\n",
        "lesson": "1",
        "committed": "1\ny = 2",
        "proposal": "2",
        "decision": "rejected",
        "kept_rate": 0.0,
        "cut": 1,
        "cut_probability": 0.75,
        "verdict": "fill",
        "verdict_probability": None,
        "teacher": "model",
        "prompt_version": "1",
        "split": example["split"],
        "weight": 1.0,
    }
    assert example["split"] in ("train", "evaluation")


@pytest.mark.parametrize(
    ("changed", "said", "outcome"),
    [
        ({"committed": None}, None, ("boundaries", "unknown_commit", "idle")),
        ({"close_reason": "horizon"}, None, ("boundaries", "horizon", None)),
        ({"committed": None, "close_reason": "horizon"}, None, ("boundaries", "unknown_commit", "horizon")),
        ({}, None, ("teacher", "teacher_invalid", None)),
        ({}, verdict("a", said="reject_noise"), ("teacher", "reject_noise", None)),
        ({"committed": "1" * 3000}, verdict("a", 3000), ("boundaries", "too_long", "3000 characters, limit 2000")),
        ({"committed": "f(1"}, verdict("a", 3), ("syntax", "breaks_syntax", "1 more errors")),
        ({"committed": "'jane@acme.io'"}, verdict("a", 14), ("redaction", "personal_data_in_lesson", None)),
    ],
)
def test_the_first_reason_counts(
    changed: dict[str, Any], said: dict[str, Any] | None, outcome: tuple[str, str, str | None]
) -> None:
    base = {"prefix": "x\ny\n"} if changed.get("committed") == "f(1" else {}
    refined = refine(*tables([lifecycle("a", **base | changed)], [said] if said else []), OPEN)
    assert (refined.candidates.num_rows, refined.keys.num_rows) == (0, 0)
    assert refined.dropped.to_pylist() == [
        {"request_id": "a", "stage": outcome[0], "reason": outcome[1], "detail": outcome[2]}
    ]


def test_silence_teaches_to_propose_nothing_whatever_was_committed() -> None:
    rows = [lifecycle("a", committed=""), lifecycle("b")]
    refined = refine(*tables(rows, [verdict("a", 0, "silence"), verdict("b", 1, "silence")]), OPEN)
    assert refined.candidates["lesson"].to_pylist() == ["", ""]
    assert refined.keys["lesson_characters"].to_pylist() == [0, 0]


def test_no_secret_gets_through() -> None:
    secret = "hunter2" + "!!"
    row = lifecycle(
        "a", prefix=f"password = '{secret}'\nx = ", committed=f"1\nlogin('{secret}')", proposal=f"'{secret}'"
    )
    refined = refine(*tables([row], [verdict("a")]), OPEN)
    assert refined.candidates.num_rows == 1
    assert secret not in str(refined.candidates.to_pylist()) + str(refined.keys.to_pylist())


def test_examples_are_in_order_of_time() -> None:
    rows = [
        lifecycle(name, requested_at=NOON + timedelta(seconds=late)) for name, late in (("a", 9), ("b", 0), ("c", 0))
    ]
    refined = refine(*tables(rows, [verdict(name) for name in "abc"]), OPEN)
    examples = assemble(refined.candidates, select(refined.keys, OPEN).kept)
    assert examples.schema == EXAMPLES
    assert examples["request_id"].to_pylist() == ["b", "c", "a"]


def test_no_rows_give_no_rows() -> None:
    refined = refine(*tables([], []), OPEN)
    selection = select(refined.keys, OPEN)
    assert assemble(refined.candidates, selection.kept).schema == EXAMPLES


def test_checkpoints_may_be_missing_and_other_columns_not() -> None:
    rows, verdicts = tables([lifecycle("a")], [verdict("a")])
    assert refine(rows.drop_columns(["committed_120s"]), verdicts, OPEN).candidates.num_rows == 1
    with pytest.raises(SchemaError, match="document_id"):
        refine(rows.drop_columns(["document_id"]), verdicts, OPEN)

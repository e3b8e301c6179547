"""Who resembles whom, and what is too close to an evaluation set."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from echo_ops.curation import evaluation_sets, near
from echo_ops.curation.curate import KEYS, refine, select, withdrawn
from echo_ops.curation.duplicates import contaminated, repeated
from echo_ops.errors import InputError
from echo_ops.schema.scores import CONSENTS, STUDENT
from echo_ops.settings import Curation
from tests.unit.curation.test_curation_curate import OPEN, lifecycle, tables, verdict

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CODE = "\n".join(f"    total_{line} = first_{line} + second_{line} * {line}" for line in range(30))


def column(*texts: tuple[str, str, str]) -> pa.ChunkedArray:
    return pa.chunked_array([near.signatures([near.shingles(*text) for text in texts])], pa.binary())


def similarity(one: tuple[str, str, str], other: tuple[str, str, str]) -> float:
    a, b = column(one, other).to_pylist()
    return sum(a[at : at + 4] == b[at : at + 4] for at in range(0, len(a), 4)) / near.PLACES


def keys(*rows: dict[str, Any]) -> pa.Table:
    filled = [
        {
            "request_id": f"r{number}",
            "user_id": "u",
            "repository": "r",
            "document_id": "d",
            "requested_at": NOON + timedelta(seconds=number),
            "lesson_characters": 10,
            "commit_key": f"commit {number}",
            "content_key": f"content {number}",
            **row,
        }
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(filled, KEYS)


def signed(prefix: str, lesson: str, suffix: str = "\n") -> dict[str, Any]:
    return {"signature": near.signatures([near.shingles(prefix, lesson, suffix)])[0]}


def test_similarity_is_of_context_and_lesson_alike() -> None:
    row = (CODE, "return total_1 + total_2", "\n")
    assert similarity(row, (CODE.replace("first_29", "third_29"), row[1], "\n")) > 0.8
    assert similarity(row, (CODE, "raise ValueError(total_1)", "\n")) < 0.8  # another lesson at the same place
    assert similarity(row, ("\n".join(reversed(CODE.split("\n")[:20])), row[1], "\n")) < 0.8  # the same one elsewhere
    assert similarity(row, (f"  {CODE}", row[1], "\n\n")) == 1.0


def test_signatures_are_the_same_on_every_day() -> None:
    # written down: if these change, lessons are not compared with those of the days before
    assert near.signatures([["a", "b"]])[0][:8].hex() == GOLDEN


GOLDEN = "cfae80c9e07d1de2"


def test_of_a_chain_the_first_one_stays() -> None:
    rows = [(CODE + f"\n    x_{number} = 1" * 1, "return total_1", "\n") for number in range(4)]
    assert near.repeats(column(*rows), 0.8) == {1, 2, 3}
    assert near.repeats(column(*rows[:1]), 0.8) == set()
    assert near.repeats(column(), 0.8) == set()


def test_many_of_one_kind_leave_one() -> None:
    dice = Random(1)
    rows = [
        (CODE, f"return total_{dice.randint(1, 2)} + total_3 + total_4 + total_5 + total_6", "\n") for _ in range(200)
    ]
    assert len(near.repeats(column(*rows), 0.7)) >= 198


def test_the_newest_of_near_duplicates_stays_and_off_means_off() -> None:
    table = keys(signed(CODE, "return total_1"), signed(CODE + " ", "return total_1"), signed("x", "y"))
    assert {name: reason.code for name, reason in repeated(table, OPEN).items()} == {"r0": "near_duplicate"}
    assert repeated(table, Curation(near_duplicate=None)) == {}


def test_what_is_evaluated_on_is_not_learned() -> None:
    row = signed(CODE, "return total_1")
    train = keys(row, signed("x", "y"), {**signed("a", "b"), "content_key": "same"}, signed("p", "q"))
    held_out = keys(
        {**signed(CODE + "\n\n", "return total_1"), "request_id": "e", "content_key": "e"},
        {**signed("c", "d"), "content_key": "same"},
    )
    assert set(contaminated(train, held_out, OPEN)) == {"r0", "r2"}
    assert set(contaminated(train, held_out, Curation(near_duplicate=None))) == {"r2"}
    assert contaminated(train, held_out.slice(0, 0), OPEN) == {}


def test_a_day_does_not_learn_what_it_evaluates_on() -> None:
    # of these repositories r2, r4, r6 and r7 are held out; r0 writes the lesson of r2 anew, but earlier
    rows = [{**signed(f"x{n} y z", f"y{n}"), "repository": f"r{n}", "request_id": f"r{n}"} for n in range(8)]
    rows[0] |= signed(CODE, "return total_1")
    rows[2] |= signed(CODE, "return total_1 ") | {"requested_at": NOON - timedelta(days=1)}
    chosen = Curation(evaluation_share=0.3, length_share=1.0, near_duplicate=0.8)
    held_out = pa.array(["r2", "r4", "r6", "r7"])
    said = contaminated(keys(*rows), keys(*rows).filter(pc.is_in(keys(*rows)["request_id"], held_out)), chosen)
    assert "r0" in said
    outcome = {row["request_id"]: row["reason"] for row in select(keys(*rows), chosen).dropped.to_pylist()}
    assert outcome == {"r2": "near_duplicate"}  # within a day the newest of the two stays, so nothing is on both sides


SOLUTION = "def add(first, second):\n    result = first + second\n    return result * 2\n"


def test_a_static_set_is_recognised_wherever_it_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps({"prompt": SOLUTION[:24], "canonical_solution": SOLUTION[24:]}) + "\n\n")
    chosen = Curation(evaluation_sets=(file,), length_share=1.0)
    rows = [
        lifecycle("a", prefix=SOLUTION[:37], committed=SOLUTION[37:51], suffix=SOLUTION[51:]),
        lifecycle("b", prefix="def sub(first, second):\n    ", committed="return first - second", suffix="\n"),
    ]
    refined = refine(*tables(rows, [verdict("a", 14), verdict("b", 21)]), chosen)
    assert refined.dropped["reason"].to_pylist() == ["contaminated"]
    assert refined.candidates["request_id"].to_pylist() == ["b"]


@pytest.mark.parametrize("line", ["{}", "[1]", "no json", '{"prompt": 1}'])
def test_a_set_that_is_none_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text('{"prompt": "x"}\n' + line + "\n")
    with pytest.raises(InputError, match="line 2"):
        evaluation_sets.shingles_of((file,))
    with pytest.raises(InputError, match="cannot be read"):
        evaluation_sets.shingles_of((tmp_path / "none.jsonl",))


def test_the_last_word_of_a_user_counts() -> None:
    rows = [
        {"user_id": "a", "consented": True, "at": NOON},
        {"user_id": "a", "consented": False, "at": NOON + timedelta(days=1)},
        {"user_id": "b", "consented": False, "at": NOON},
        {"user_id": "b", "consented": True, "at": NOON + timedelta(days=1)},
        {"user_id": "c", "consented": True, "at": NOON},
        {"user_id": "c", "consented": False, "at": NOON},
    ]
    consents = pa.Table.from_pylist(rows, CONSENTS)
    assert withdrawn(consents) == {"a", "c"}
    table, verdicts = tables(
        [lifecycle("x", user_id="a"), lifecycle("y", user_id="b"), lifecycle("z", user_id="q")], []
    )
    dropped = refine(table, verdicts, OPEN, consents=consents).dropped.to_pylist()
    assert [row["reason"] for row in dropped] == ["no_consent", "teacher_invalid", "teacher_invalid"]


def test_a_student_s_scores_are_kept_and_decide_where_asked() -> None:
    student = pa.Table.from_pylist([{"request_id": "a", "nats_per_character": 0.01}], STUDENT)
    rows = tables([lifecycle("a"), lifecycle("b")], [verdict("a"), verdict("b")])
    assert refine(*rows, OPEN, student=student).scores["student_nats"].to_pylist() == [0.01, None]
    easy = OPEN.model_copy(update={"min_student_nats": 0.1})
    assert refine(*rows, easy, student=student).dropped["reason"].to_pylist() == ["too_easy"]

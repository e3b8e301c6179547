"""``refine`` on files: who withdrew is seen by nobody, and a student's scores decide where they are asked for."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from echo_ops.pipeline.files import refine_file
from echo_ops.schema.scores import CONSENTS, STUDENT
from echo_ops.settings import Curation, Settings
from echo_ops.teacher import judge
from tests.unit.pipeline.test_pipeline_replay import lifecycles

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def refined(folder: Path, settings: Settings, **files: Path) -> tuple[pa.Table, pa.Table]:
    pq.write_table(lifecycles(), folder / "lifecycles.parquet")
    out, dropped = folder / "examples.parquet", folder / "dropped.parquet"
    refine_file(folder / "lifecycles.parquet", out, dropped, settings, **files)  # type: ignore[arg-type]
    return pq.read_table(out), pq.read_table(dropped)


def test_who_withdrew_is_not_shown_to_the_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"user_id": "u1", "consented": False, "at": NOON}]
    pq.write_table(pa.Table.from_pylist(rows, CONSENTS), tmp_path / "consents.parquet")
    seen: list[str] = []

    def listening(rows: pa.Table, *given: object) -> pa.Table:
        seen.extend(rows["request_id"].to_pylist())
        return judge.judge_rows(rows, *given)

    monkeypatch.setattr(judge, "judge_rows", judge.judge, raising=False)
    monkeypatch.setattr(judge, "judge", listening)
    examples, dropped = refined(tmp_path, Settings(home=tmp_path), consents=tmp_path / "consents.parquet")
    withdrawn = {f"r{number:03}" for number in range(60) if number % 3 == 1}
    assert set(dropped.filter(pc.equal(dropped["reason"], "no_consent"))["request_id"].to_pylist()) == withdrawn
    assert examples.num_rows > 0
    assert set(seen) == {f"r{number:03}" for number in range(60)} - withdrawn


def test_a_student_s_scores_decide_where_they_are_asked_for(tmp_path: Path) -> None:
    rows = [{"request_id": "r002", "nats_per_character": 9.0}]
    pq.write_table(pa.Table.from_pylist(rows, STUDENT), tmp_path / "student.parquet")
    settings = Settings(home=tmp_path, curation=Curation(max_student_nats=5.0))
    _, dropped = refined(tmp_path, settings, student=tmp_path / "student.parquet")
    assert dropped.filter(pc.equal(dropped["reason"], "too_hard"))["request_id"].to_pylist() == ["r002"]

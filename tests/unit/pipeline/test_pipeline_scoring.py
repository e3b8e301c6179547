"""The student of a harvest and of ``refine``: what it is asked, and what becomes of its scores."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import InputError, TeacherError
from echo_ops.lake.tables import Lake
from echo_ops.pipeline import harvest, scoring
from echo_ops.pipeline.files import refine_file
from echo_ops.pipeline.manifest import Manifest
from echo_ops.pipeline.scoring import Scorer
from echo_ops.schema.scores import CONSENTS, STUDENT
from echo_ops.settings import Curation, Settings, Training
from echo_ops.teacher.judge import judge
from echo_ops.teacher.perplexity import FakeStudent, Text
from echo_ops.teacher.syntax import SyntaxTeacher
from echo_ops.training.fim import Layout
from tests.unit.pipeline.test_pipeline_replay import NOON, lifecycles

DAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from echo_ops.training.base_model import train_tokenizer

    folder = tmp_path_factory.mktemp("student")
    train_tokenizer(["def add(first, second):\n    return first + second\n"] * 8, 320).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def layout(folder: Path) -> Layout:
    return Layout(scoring._tokenizer(Settings.model_validate({"student": {"tokenizer": str(folder)}})))


@pytest.fixture
def scorer(layout: Layout) -> Scorer:
    return Scorer(FakeStudent(), layout, Training(context_tokens=256))


def judged(rows: pa.Table) -> pa.Table:
    return judge(rows, SyntaxTeacher())


def changed(rows: pa.Table, **columns: list[Any]) -> pa.Table:
    for name, values in columns.items():
        field = rows.schema.field(name)
        rows = rows.set_column(rows.column_names.index(name), field, pa.array(values, field.type))
    return rows


def test_it_is_asked_as_it_would_be_shown_the_request(scorer: Scorer) -> None:
    rows = lifecycles()
    verdicts = judged(rows)
    scores = scorer.score(rows, verdicts)
    lessons = {row["request_id"]: row for row in rows.to_pylist() if row["committed"]}
    cuts = dict(zip(verdicts["request_id"].to_pylist(), verdicts["cut"].to_pylist(), strict=True))
    assert scores.schema == STUDENT
    assert scores["request_id"].to_pylist() == list(lessons)  # silence is not scored
    assert isinstance(scorer.student, FakeStudent)
    for score, text in zip(scores.to_pylist(), scorer.student.asked, strict=True):
        row = lessons[score["request_id"]]
        lesson = row["committed"][: cuts[score["request_id"]]]
        expected = scorer.layout.render(row["prefix"], row["suffix"], lesson, 256, scorer.training.max_new_tokens)
        assert text == Text(expected.context, expected.lesson)
        assert scorer.layout.decode(text.scored) == lesson
        assert text.scored[-1] == scorer.layout.end_id
        assert score["nats_per_character"] == len(text.scored) / (len(lesson) + 1)


def test_a_begun_word_is_scored_with_the_lesson_where_it_is_learned_so(layout: Layout) -> None:
    rows = lifecycles()
    rows = changed(rows, prefix=["value = fir"] * rows.num_rows)
    verdicts = judged(rows)
    healing = Scorer(FakeStudent(), layout, Training(context_tokens=256, token_healing=True))
    scores = healing.score(rows, verdicts)
    assert scores.num_rows
    assert isinstance(healing.student, FakeStudent)
    for text in healing.student.asked:
        assert "fir" not in healing.layout.decode(text.context)
        assert healing.layout.decode(text.scored).startswith("fir")


def test_what_cannot_teach_or_be_scored_is_left_out(scorer: Scorer, layout: Layout) -> None:
    rows = lifecycles().slice(1, 4)  # no silence among them
    rows = changed(
        rows,
        committed=["first(1)", "second(1)", "x" * 4000, "fourth(1)"],
        confidence=["exact", "ambiguous", "exact", "exact"],
    )
    silent_about = layout.encode("fourth(1)")
    student = FakeStudent(lambda text: None if text.scored[:-1] == silent_about else 1.0)
    scores = Scorer(student, layout, scorer.training).score(rows, judged(rows))
    assert scores["request_id"].to_pylist() == ["r001"]
    assert len(student.asked) == 2


def refined(place: Path, settings: Settings, **files: Path) -> pa.Table:
    pq.write_table(lifecycles(), place / "lifecycles.parquet")
    dropped = place / "dropped.parquet"
    refine_file(place / "lifecycles.parquet", place / "out.parquet", dropped, settings, **files)  # type: ignore[arg-type]
    return pq.read_table(dropped)


def test_refine_asks_it_but_for_who_withdrew(tmp_path: Path, scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "of_file", lambda settings, cache: scorer)
    consents = pa.Table.from_pylist([{"user_id": "u1", "consented": False, "at": NOON}], CONSENTS)
    pq.write_table(consents, tmp_path / "consents.parquet")
    settings = Settings(home=tmp_path, curation=Curation(min_student_nats=1e6))
    dropped = refined(tmp_path, settings, consents=tmp_path / "consents.parquet")
    easy = set(dropped.filter(pc.equal(dropped["reason"], "too_easy"))["request_id"].to_pylist())
    assert {"r002", "r006"} <= easy
    assert isinstance(scorer.student, FakeStudent)
    seen = "".join(scorer.layout.tokenizer.decode(text.context) for text in scorer.student.asked)
    assert "value_2 = " in seen
    assert "value_1 = " not in seen  # u1's


def test_scores_from_a_file_come_before_it(tmp_path: Path, scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "of_file", lambda settings, cache: scorer)
    pq.write_table(pa.Table.from_pylist([], STUDENT), tmp_path / "student.parquet")
    refined(tmp_path, Settings(home=tmp_path), student=tmp_path / "student.parquet")
    assert isinstance(scorer.student, FakeStudent)
    assert scorer.student.asked == []


def staged(settings: Settings) -> Manifest:
    digest = Lake(settings.lake_uri).stage(DAY, "lifecycles", 0, lifecycles())
    return Manifest("extract", DAY.isoformat(), 0, 1, rows={"lifecycles": 60}, hashes={"lifecycles": digest})


def test_a_harvest_keeps_its_scores(tmp_path: Path, scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    from echo_ops.curation import curate

    monkeypatch.setattr(scoring, "of_day", lambda day, settings: scorer)
    settings = Settings(home=tmp_path)
    manifest = harvest.judge(DAY, staged(settings), settings)
    assert "student: fake" in manifest.notes
    scores = Lake(settings.lake_uri).staged(DAY, "scores", 0, manifest.hashes["scores"])
    asked = scorer.score(lifecycles(), judged(lifecycles()))
    nats = dict(zip(asked["request_id"].to_pylist(), asked["nats_per_character"].to_pylist(), strict=True))
    known = {row["request_id"]: row["student_nats"] for row in scores.to_pylist() if row["student_nats"] is not None}
    assert known
    assert known.items() <= nats.items()
    for limit, reason in ((None, False), (1e6, True)):
        _, dropped = curate.replay(scores, settings.curation.model_copy(update={"min_student_nats": limit}))
        assert ("too_easy" in dropped["reason"].to_pylist()) == reason


def test_a_harvest_without_its_student_fails(tmp_path: Path, folder: Path) -> None:
    student = {"url": "http://127.0.0.1:9/v1", "tokenizer": str(folder), "retries": 0}
    settings = Settings.model_validate({"home": tmp_path, "student": student})
    with pytest.raises(TeacherError, match=r"student at http://127.0.0.1:9/v1 does not answer"):
        harvest.judge(DAY, staged(settings), settings)


def test_nobody_is_asked_where_no_student_is_served(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert scoring.of_day(DAY, settings) is None
    assert scoring.of_file(settings, None) is None


def test_a_tokenizer_that_is_not_there_is_named(tmp_path: Path) -> None:
    student = {"url": "http://127.0.0.1:9/v1", "tokenizer": str(tmp_path / "none")}
    with pytest.raises(InputError, match=r"none.*set ECHO_STUDENT_TOKENIZER"):
        scoring.of_day(DAY, Settings.model_validate({"home": tmp_path, "student": student}))


SAME = """
import sys
from echo_ops.pipeline import scoring
from echo_ops.settings import Settings
from echo_ops.training.fim import Layout

def rendered(tokenizer):
    return Layout(tokenizer).render("def a():\\n    x = ", "\\n☺", "add(1, <|echo_end|>)", 256, 48)

mine = rendered(scoring._tokenizer(Settings.model_validate({"student": {"tokenizer": sys.argv[1]}})))
assert "torch" not in sys.modules
from echo_ops.training.device import load_tokenizer
assert mine == rendered(load_tokenizer(sys.argv[1]))
"""


def test_its_tokens_are_those_of_training_without_torch(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", SAME, str(folder)], check=True)

"""What other thresholds would keep, from the lake alone."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from echo_ops.curation import curate
from echo_ops.errors import InputError
from echo_ops.lake.tables import Lake, batches_of
from echo_ops.pipeline import report
from echo_ops.pipeline.replay import replay
from echo_ops.schema.days import DAYS
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.schema.scores import SCORES
from echo_ops.settings import Lake as LakeSection
from echo_ops.settings import Settings
from echo_ops.teacher.judge import judge
from echo_ops.teacher.syntax import SyntaxTeacher

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def lifecycles() -> pa.Table:
    rows = [
        {
            "request_id": f"r{number:03}",
            "document_id": f"d{number}",
            "session_id": "s",
            "user_id": f"u{number % 3}",
            "repository": f"r{number % 7}",
            "language": "python" if number % 3 else "go",
            "requested_at": NOON + timedelta(seconds=number),
            "received_at": NOON,
            "prefix": f"value_{number} = ",
            "suffix": "\n",
            "decision": "ignored",
            "committed": "" if number % 5 == 0 else f"compute_{number}(1)" + "\n# more" * (number % 4),
            "close_reason": "idle",
            "closed_at": NOON,
            "evidence": ("edits", "requests")[number % 2],
            "confidence": ("exact", "inferred")[number % 2],
            "policy": "default",
        }
        for number in range(60)
    ]
    return pa.Table.from_pylist(rows, LIFECYCLES)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, lake=LakeSection(uri=str(tmp_path / "lake")))
    rows = lifecycles()
    refined = curate.refine(rows, judge(rows, SyntaxTeacher()), settings.curation)
    lake = Lake(settings.lake_uri)
    lake.publish(DAY, "scores", SCORES, batches_of(refined.scores))
    day = pa.table({"manifest": ["{}"], "settings": [settings.shaping()]}, schema=DAYS)
    lake.publish(DAY, "days", DAYS, batches_of(day))
    return settings


def curated(settings: Settings, **changes: object) -> tuple[int, dict[str, int]]:
    """What a harvest with these thresholds keeps and drops."""
    chosen = settings.curation.model_copy(update=changes)
    rows = lifecycles()
    refined = curate.refine(rows, judge(rows, SyntaxTeacher()), chosen)
    selection = curate.select(refined.keys, chosen)
    reasons = pa.concat_tables([refined.dropped, selection.dropped])["reason"].value_counts().to_pylist()
    return selection.kept.num_rows, {count["values"]: count["counts"] for count in reasons}


@pytest.mark.parametrize(
    ("changes", "meant"),
    [
        ([], {}),
        (["confidence_of_requests=inferred"], {"confidence_of_requests": "inferred"}),
        (["ECHO_CURATION_MAX_LESSON_CHARACTERS=3", "void_share=1"], {"max_lesson_characters": 3, "void_share": 1.0}),
        (["curation.near_duplicate=null", "max_per_user=2"], {"near_duplicate": None, "max_per_user": 2}),
        (
            ["evaluation_share=0.9", "length_share=0.1", "balanced_from=0"],
            {"evaluation_share": 0.9, "length_share": 0.1, "balanced_from": 0},
        ),
    ],
)
def test_a_replay_is_what_a_harvest_would_do(settings: Settings, changes: list[str], meant: dict[str, object]) -> None:
    result = replay(DAY, changes, settings)
    kept, dropped = curated(settings, **meant)
    assert (sum(result.replayed.kept.values()), result.replayed.dropped) == (kept, dropped)
    kept, dropped = curated(settings)
    assert (sum(result.harvested.kept.values()), result.harvested.dropped) == (kept, dropped)
    assert result.lifecycles == 60
    assert report.replayed(result).row_count >= 5


def test_it_compares_with_the_settings_of_the_harvest(settings: Settings) -> None:
    other = settings.model_copy(update={"curation": settings.curation.model_copy(update={"max_per_user": 1})})
    assert replay(DAY, [], other).replayed == replay(DAY, [], settings).harvested


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("void_share", "NAME=VALUE"),
        ("splendour=1", "NAME=VALUE"),
        ("evaluation_sets=[]", "NAME=VALUE"),
        ("void_share=2", "less than or equal"),
        ("confidence_of_edits=sometimes", "exact"),
    ],
)
def test_a_change_that_is_none_is_refused(settings: Settings, change: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        replay(DAY, [change], settings)


def test_a_day_that_is_not_there_is_refused(settings: Settings) -> None:
    with pytest.raises(InputError, match="not published"):
        replay(date(2026, 11, 21), [], settings)
    day = pa.table({"manifest": ["{}"], "settings": [json.dumps({"curation": {}})]}, schema=DAYS)
    Lake(settings.lake_uri).publish(date(2026, 11, 22), "days", DAYS, batches_of(day))
    with pytest.raises(InputError, match="has no scores"):
        replay(date(2026, 11, 22), [], settings)

"""Days come together: the newest of equal lessons is learned, and nothing that is evaluated on."""

import hashlib
import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.curation import curate
from echo_ops.errors import InputError
from echo_ops.lake.tables import Lake, batches_of
from echo_ops.pipeline.assemble import assemble
from echo_ops.schema.days import DAYS
from echo_ops.schema.examples import EXAMPLES
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.schema.scores import SCORES
from echo_ops.settings import Curation, Settings, Training
from echo_ops.settings import Lake as LakeSection
from echo_ops.teacher.judge import judge
from echo_ops.teacher.syntax import SyntaxTeacher

FIRST = date(2026, 11, 19)
HELD_OUT, LEARNED = "r2", "r0"  # repositories: see test_curation_selection
CHOSEN = Curation(evaluation_share=0.3, length_share=1.0, split_by="repository")


def lifecycle(day: date, name: str, repository: str, text: str) -> dict[str, object]:
    at = datetime.combine(day, time(12), tzinfo=UTC)
    lines = "\n".join(f"{text}_{line} = {text}({line})" for line in range(12))
    return {
        "request_id": name,
        "document_id": f"document {name}",
        "session_id": "s",
        "user_id": "u",
        "repository": repository,
        "language": "python",
        "requested_at": at,
        "received_at": at,
        "prefix": f"{lines}\nresult = ",
        "suffix": "\n",
        "decision": "ignored",
        "committed": f"{text}_1 + {text}_2",
        "close_reason": "idle",
        "closed_at": at,
        "evidence": "edits",
        "confidence": "exact",
        "policy": "default",
    }


def publish(settings: Settings, day: date, rows: list[dict[str, object]], scores: bool = True) -> None:
    table = pa.Table.from_pylist(rows, LIFECYCLES)
    refined = curate.refine(table, judge(table, SyntaxTeacher()), CHOSEN)
    examples = curate.assemble(refined.candidates, curate.select(refined.keys, CHOSEN).kept)
    lake = Lake(settings.lake_uri)
    lake.publish(day, "examples", EXAMPLES, batches_of(examples))
    if scores:
        lake.publish(day, "scores", SCORES, batches_of(refined.scores))
    row = pa.table({"manifest": ["{}"], "settings": [settings.shaping()]}, schema=DAYS)
    lake.publish(day, "days", DAYS, batches_of(row))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, lake=LakeSection(uri=str(tmp_path / "lake")), curation=CHOSEN)


def learned(settings: Settings, day: date) -> tuple[list[str], list[str], dict[str, int]]:
    assembled = assemble(day, settings)
    folder = settings.home / "training" / day.isoformat()
    train, held_out = (pq.read_table(folder / f"{name}.parquet") for name in ("train", "evaluation"))
    assert (train.num_rows, held_out.num_rows) == (assembled.train_rows, assembled.evaluation_rows)
    return sorted(train["request_id"].to_pylist()), held_out["request_id"].to_pylist(), assembled.left_out


def test_the_newest_of_the_window_is_learned_and_no_copy_of_what_is_held_out(settings: Settings) -> None:
    second = FIRST + timedelta(days=1)
    days = {
        FIRST: [
            lifecycle(FIRST, "old", LEARNED, "alpha"),
            lifecycle(FIRST, "only", LEARNED, "beta"),
            lifecycle(FIRST, "copied", LEARNED, "gamma"),
        ],
        second: [lifecycle(second, "new", LEARNED, "alpha"), lifecycle(second, "held out", HELD_OUT, "gamma")],
    }
    for day in (second, FIRST):  # a backfill: the older day comes last
        publish(settings, day, days[day])
    expected = (["new", "only"], ["held out"], {"contaminated": 1, "duplicate": 1})
    assert learned(settings, second) == expected
    publish(settings, FIRST, days[FIRST])
    assert learned(settings, second) == expected
    rows = {
        batch_row for batch in Lake(settings.lake_uri).read("examples") for batch_row in batch["request_id"].to_pylist()
    }
    assert rows == {"old", "only", "copied", "new", "held out"}  # the days themselves stay as they are


def test_replayed_days_count_too(settings: Settings) -> None:
    late = FIRST + timedelta(days=30)
    publish(settings, FIRST, [lifecycle(FIRST, "old", LEARNED, "alpha"), lifecycle(FIRST, "older", LEARNED, "gamma")])
    rows = [lifecycle(late, f"new {text}", LEARNED, text) for text in ("alpha", "beta", "delta", "eps", "zeta", "eta")]
    publish(settings, late, [*rows, lifecycle(late, "held out", HELD_OUT, "gamma")])
    train, _, left_out = learned(settings, late)
    assert train == sorted(row["request_id"] for row in rows)
    assert sum(left_out.values()) >= 1


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"evaluation_rows": 1}, (["19 alpha", "19 gamma"], ["20 delta"])),
        ({"evaluation_rows": 1, "window_days": 1}, (["19 alpha", "19 gamma"], ["20 delta"])),
        ({"evaluation_rows": 2}, (["19 alpha", "20 eps", "20 gamma"], ["19 beta", "20 delta"])),  # too few
        ({"evaluation_rows": 2, "held_out_days": 0}, (["19 alpha", "20 eps", "20 gamma"], ["19 beta", "20 delta"])),
        ({"evaluation_rows": 2, "held_out_days": 2}, (["19 alpha", "20 eps", "20 gamma"], ["19 beta", "20 delta"])),
    ],
)
def test_the_newest_day_is_held_back_where_it_is_enough_to_compare_on(
    settings: Settings, training: dict[str, int], expected: tuple[list[str], list[str]]
) -> None:
    second = FIRST + timedelta(days=1)
    for day, texts in ((FIRST, ("alpha", "beta", "gamma")), (second, ("gamma", "delta", "eps"))):
        rows = zip((LEARNED, HELD_OUT, LEARNED), texts, strict=True)
        publish(settings, day, [lifecycle(day, f"{day:%d} {text}", repository, text) for repository, text in rows])
    asked = settings.model_copy(update={"training": Training(**training)})  # type: ignore[arg-type]
    assert learned(asked, second)[:2] == expected
    assembled = assemble(second, asked)
    after = set(assembled.evaluation_days).isdisjoint(assembled.days)
    assert after == (expected[1] == ["20 delta"])
    with pytest.raises(InputError, match="no day from 2026-11-18 to 2026-11-18 is published"):
        assemble(FIRST - timedelta(days=1), settings.model_copy(update={"training": Training(window_days=1)}))


def test_strangers_are_compared_on_where_they_are_enough(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("echo_ops.pipeline.assemble.ENOUGH_STRANGERS", 2)
    early = FIRST - timedelta(days=40)  # what was learned long ago counts too
    publish(settings, early, [{**lifecycle(early, "old", LEARNED, "zeta"), "user_id": "long ago"}])
    rows = [lifecycle(FIRST, "lesson", LEARNED, "alpha")]
    for user, text in (("u", "beta"), ("long ago", "gamma"), ("new", "delta"), ("newer", "eps")):
        rows.append({**lifecycle(FIRST, f"of {user}", HELD_OUT, text), "user_id": user})
    publish(settings, FIRST, rows)
    everybody = ["of long ago", "of new", "of newer", "of u"]
    for wanted, expected in ((2, ["of new", "of newer"]), (4, everybody)):
        asked = settings.model_copy(update={"training": Training(evaluation_rows=wanted, replay_share=0)})
        assert sorted(learned(asked, FIRST)[1]) == expected
        assert assemble(FIRST, asked).strangers_only == (expected != everybody)


def test_days_without_scores_are_learned_as_they_are(settings: Settings) -> None:
    publish(
        settings,
        FIRST,
        [lifecycle(FIRST, "a", LEARNED, "alpha"), lifecycle(FIRST, "b", HELD_OUT, "beta")],
        scores=False,
    )
    assert learned(settings, FIRST) == (["a"], ["b"], {})


def test_what_is_older_weighs_less_and_a_static_set_is_mixed_in(settings: Settings, tmp_path: Path) -> None:
    days = [FIRST + timedelta(days=number) for number in range(4)]
    for number, day in enumerate(days):
        name = "abcd"[number] * 6
        publish(
            settings,
            day,
            [lifecycle(day, f"{name} 1", LEARNED, name), lifecycle(day, f"{name} 2", HELD_OUT, f"{name}s")],
        )
    rows = [{"prefix": "", "suffix": "", "lesson": f"y{i}"} for i in range(9)]
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    training = Training(
        window_days=3, replay_share=0.25, half_life_days=1, static_set=tmp_path / "set.jsonl", static_share=0.2
    )
    assembled = assemble(days[3], settings.model_copy(update={"training": training}))
    folder = tmp_path / "training" / days[3].isoformat()
    train = pq.read_table(folder / "train.parquet")
    assert dict(zip(train["request_id"].to_pylist(), train["weight"].to_pylist(), strict=True)) == {
        "aaaaaa 1": 1.0,  # replayed from before the window
        "bbbbbb 1": 0.25,
        "cccccc 1": 0.5,
        "dddddd 1": 1.0,
    }
    assert (assembled.train_rows, assembled.replay_rows, assembled.static_rows) == (4, 1, 1)
    assert pq.read_table(folder / "static.parquet").num_rows == 1
    assert assembled.static_hash == hashlib.sha256((tmp_path / "set.jsonl").read_bytes()).hexdigest()


def test_a_night_of_the_same_rows_is_gone_on_with(settings: Settings, tmp_path: Path) -> None:
    held_out = lifecycle(FIRST, "beta", HELD_OUT, "beta")
    publish(settings, FIRST, [lifecycle(FIRST, "alpha", LEARNED, "alpha"), held_out])
    night = tmp_path / "training" / FIRST.isoformat()
    first = assemble(FIRST, settings)
    (night / "half").touch()
    assert assemble(FIRST, settings) == first
    assert (night / "half").exists()
    publish(settings, FIRST, [lifecycle(FIRST, "gamma", LEARNED, "gamma"), held_out])  # harvested once more
    assert assemble(FIRST, settings) != first
    assert not (night / "half").exists()
    (night / "trained.json").touch()
    (night / "half").touch()
    assemble(FIRST, settings)  # trained before: once more, from the start
    assert not (night / "half").exists()
    assert [path.name for path in night.parent.iterdir()] == [FIRST.isoformat()]

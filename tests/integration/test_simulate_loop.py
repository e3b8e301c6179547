"""A proof of one night, from Postgres to the panel: with models too small to prove anything, but all of it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from echo_ops.pipeline.loop import figures
from echo_ops.pipeline.loop.plan import Plan
from echo_ops.pipeline.loop.run import run
from echo_ops.pipeline.loop.teams import teams
from echo_ops.settings import load
from echo_ops.simulate.workday import Scale
from echo_ops.training.base_model import Recipe
from echo_ops.training.progress import Progress

PLAN = Plan(
    days=1,
    users=2,
    seed=0,
    early=8,
    panel=8,
    panel_requests=60,
    work=Scale((1, 1), (2, 2), (300, 500)),
    early_work=Scale((1, 1), (1, 1), (200, 300)),
    panel_work=Scale((1, 1), (1, 1), (300, 400)),
    base=Recipe(steps=40, width=64, layers=1, vocabulary=512, sequence=160, reserved=24),
)


@pytest.mark.slow
def test_a_night_is_proven(tmp_path: Path) -> None:
    ended: list[str] = []

    def tell(name: str, progress: Progress | None) -> None:
        if progress is None:
            ended.append(name)

    out = tmp_path / "proof"
    summary = run(PLAN, load().model_copy(update={"home": tmp_path / "home"}), out, tell)

    assert json.loads((out / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert json.loads((out / "plan.json").read_text())["plan"]["seed"] == 0
    assert (out / "acceptance.png").stat().st_size > 10_000
    assert set(summary["arms"]) == {"echo", "frozen", "shuffled", "own_proposals"}
    for series in summary["arms"].values():
        assert series["requests"] == [60, 60]
        assert all(
            low <= rate <= high
            for low, rate, high in zip(series["low"], series["acceptance"], series["high"], strict=True)
        )
    assert len({one["lessons"] for one in summary["by_lessons"]}) == 3
    (night,) = summary["nights"]
    assert night["rows"]["lifecycles"] > 20
    assert night["decision"] in ("hold", "promote", "roll_back")
    assert figures.tables(summary)

    work = out / "work"
    learned = {arm: pq.read_table(work / f"{arm}.parquet") for arm in ("lessons-0", "shuffled-lessons-0")}
    assert sorted(learned["lessons-0"]["request_id"].to_pylist()) == sorted(
        learned["shuffled-lessons-0"]["request_id"].to_pylist()
    )
    taught = set(learned["lessons-0"]["user_id"].to_pylist())
    assert taught
    assert taught <= {user.user_id for user in teams(PLAN).users}
    assert taught.isdisjoint(pq.read_table(work / "panel.parquet")["user_id"].to_pylist())
    assert {"base model", "day 1", "own day 1", "echo 1", "shuffled 1"} <= set(ended)
    assert len(ended) <= PLAN.pieces

"""The pieces of a proof that need no model: teams, panel, arms, lanes, figures."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from echo_ops.errors import InputError, TrainingError
from echo_ops.pipeline.loop import arms, figures, panel
from echo_ops.pipeline.loop.echo import DAWN
from echo_ops.pipeline.loop.lanes import Lanes
from echo_ops.pipeline.loop.plan import GATE, Plan
from echo_ops.pipeline.loop.run import run
from echo_ops.pipeline.loop.teams import teams
from echo_ops.schema.examples import EXAMPLES
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.settings import Settings
from echo_ops.simulate.noise import QUIET
from echo_ops.simulate.simulate import simulate
from echo_ops.simulate.workday import Scale


def test_nobody_shares_a_file() -> None:
    found = teams(Plan(days=1, users=12, seed=3))
    assert [len(team) for team in (found.users, found.early, found.panel, found.others)] == [12, 40, 48, 48]
    everybody = [*found.users, *found.early, *found.panel, *found.others]
    files = [file.file for user in everybody for file in user.shelf[user.repositories[0]]]
    assert len(files) == len(set(files)) > 300
    assert len({user.user_id for user in everybody}) == len(everybody)
    projects = {user.repositories for user in found.users}
    assert projects == {user.repositories for user in found.panel}
    assert projects.isdisjoint({user.repositories for user in found.others})
    assert teams(Plan(days=1, users=12, seed=3)) == found != teams(Plan(days=1, users=12, seed=4))


def test_early_risers_have_given_their_evidence_when_the_gate_looks() -> None:
    plan = Plan(days=1, users=2, seed=0)
    early = teams(plan).early
    sessions = list(
        simulate(days=1, users=len(early), seed=0, start=plan.day(0), team=early, scale=plan.early_work, noise=QUIET)
    )
    times = [at for session in sessions for at in session.events["received_at"].to_pylist()]
    dawn = datetime.combine(plan.day(0), DAWN)
    assert dawn < min(times) < max(times) < dawn + timedelta(hours=GATE.look_hours)
    shown = [session.events["kind"].to_pylist().count("shown") for session in sessions]
    assert sum(sorted(shown)[: plan.early // 2]) > GATE.min_shown  # of the half that asks least


def test_too_many_users_for_the_files_are_refused() -> None:
    with pytest.raises(InputError, match=r"has \d+ files, \d+ are needed for so many users; lower --users"):
        teams(Plan(days=1, users=4000, seed=0))


def test_a_plan_goes_through_json() -> None:
    plan = Plan(2, 4, 1, work=Scale((1, 1), (2, 3), (100, 200)))
    assert Plan.from_dict(json.loads(json.dumps(plan.written()["plan"]))) == plan


def test_the_panel_answers_by_the_rule() -> None:
    team = teams(Plan(days=1, users=2, seed=0)).panel[:3]
    scale = Scale((1, 1), (2, 2), (300, 400))
    asked = panel.requests(team, date(2026, 11, 2), scale, 0, 25)
    assert asked.num_rows == 25
    assert asked.equals(panel.requests(team, date(2026, 11, 2), scale, 0, 25))
    meant = asked["meant"].to_pylist()
    right = panel.answers(asked, meant).to_pylist()
    assert all(
        row["accepted"] == row["whole"] == row["shown"] == bool(text) for row, text in zip(right, meant, strict=True)
    )
    assert all(row["kept_rate"] > 0 for row in right if row["shown"])
    silent = panel.answers(asked, [""] * 25)
    assert not any(silent["shown"].to_pylist())
    assert not any(silent["accepted"].to_pylist())
    assert not any(panel.answers(asked, ["¤¤"] * 25)["accepted"].to_pylist())


def examples(count: int) -> pa.Table:
    rows = [
        {
            "request_id": f"r{number}",
            "user_id": "u",
            "document_id": "d",
            "requested_at": datetime(2026, 11, 2),
            "prefix": f"context {number} ",
            "suffix": "",
            "lesson": f"lesson {number}",
            "committed": f"lesson {number}",
            "decision": "rejected",
            "cut": 8,
            "verdict": "fill",
            "teacher": "syntax",
            "prompt_version": "",
            "split": "train",
            "weight": 1.0,
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=EXAMPLES)


def test_shuffled_keeps_contexts_and_lessons_and_pairs_none_rightly() -> None:
    rows = examples(50)
    turned = arms.shuffled(rows, 1)
    assert sorted(turned["prefix"].to_pylist()) == sorted(rows["prefix"].to_pylist())
    assert sorted(turned["lesson"].to_pylist()) == sorted(rows["lesson"].to_pylist())
    for row in turned.to_pylist():
        assert row["prefix"].split()[1] != row["lesson"].split()[1]


def lifecycles(*rows: dict[str, Any]) -> pa.Table:
    usual = {
        "document_id": "d",
        "session_id": "s",
        "user_id": "u",
        "requested_at": datetime(2026, 11, 2),
        "prefix": "x = ",
        "suffix": "",
        "close_reason": "idle",
        "closed_at": datetime(2026, 11, 2),
        "evidence": "edits",
        "confidence": "exact",
        "received_at": datetime(2026, 11, 2),
        "policy": "default",
    }
    full = [{"request_id": f"r{number}", **usual, **row} for number, row in enumerate(rows)]
    return pa.Table.from_pylist(full, schema=LIFECYCLES)


def test_own_proposals_teach_what_was_proposed_and_taken_as_often_as_others_learn() -> None:
    rows = lifecycles(
        {"proposal": "one + 2", "committed": "one + 2\n", "decision": "accepted"},
        {"proposal": "one + 2", "committed": "one - 3\n", "decision": "partially_accepted"},
        {"proposal": "one", "committed": "two\n", "decision": "rejected"},
        {"proposal": "one", "committed": "two\n", "decision": "accepted"},  # and undone
        {"proposal": None, "committed": "two\n", "decision": "accepted"},  # `shown` was lost
    )
    taught = arms.own_proposals(rows, 6)
    assert taught["lesson"].to_pylist() == ["one + 2", "one + 2", "one"]  # as shown: not a word of the users'
    assert taught["committed"].to_pylist() == taught["lesson"].to_pylist()
    assert taught["weight"].to_pylist() == [2.0] * 3
    assert arms.own_proposals(rows.slice(2, 1), 6).num_rows == 0


def test_lanes_hand_on_results_and_tell_the_first_failure() -> None:
    with Lanes(2) as lanes:
        one = lanes.run(lambda: 1)
        three = lanes.run(lambda first, second: first + second, one, lanes.run(lambda first: first + 1, one))
    assert three.result() == 3

    def fail() -> None:
        raise TrainingError("the disk is full")

    done: list[str] = []
    with Lanes(1) as lanes:
        broken = lanes.run(fail)
        last = lanes.run(lambda _: done.append("never"), lanes.run(lambda _: done.append("never"), broken))
        lanes.run(lambda _: None, last)
    with pytest.raises(TrainingError, match="the disk is full"):
        last.result()
    assert not done


def test_lanes_end_when_who_waits_is_interrupted() -> None:
    lanes = Lanes(1)

    def work() -> None:
        while not lanes._pool._shutdown:  # whose end is waited for then
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        while True:  # as a piece does at each report
            time.sleep(0.01)
            lanes.go_on()

    pieces = []

    def wait() -> None:
        with lanes:
            pieces.extend([lanes.run(work), lanes.run(lambda: None)])

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            wait()
    finally:
        signal.signal(signal.SIGINT, before)
    for piece in pieces:
        assert piece.cancelled() or isinstance(piece.exception(), KeyboardInterrupt)


@pytest.mark.parametrize("place", ["taken", "taken/proof"])
def test_a_proof_needs_a_folder(tmp_path: Path, place: str) -> None:
    (tmp_path / "taken").touch()
    plan = Plan(days=1, users=2, seed=0)
    with pytest.raises(InputError, match="cannot be made a folder"):
        run(plan, Settings(home=tmp_path), tmp_path / place, lambda _name, _progress: None)


def answers(accepted: dict[str, tuple[int, int]]) -> pa.Table:
    """User → (accepted, shown)."""
    rows = [
        {
            "request_id": f"{user}{number}",
            "user_id": user,
            "shown": True,
            "accepted": number < taken,
            "whole": number < taken // 2,
            "kept_rate": 0.5,
        }
        for user, (taken, shown) in accepted.items()
        for number in range(shown)
    ]
    return pa.Table.from_pylist(rows, schema=panel.ANSWERS)


def test_intervals_are_of_users_not_of_requests() -> None:
    alike = figures.acceptance(answers({f"u{number}": (25, 100) for number in range(10)}))
    assert (alike.rate, alike.low, alike.high, alike.shown) == (0.25, 0.25, 0.25, 1000)
    unlike = figures.acceptance(answers({f"u{number}": (50 * (number % 2), 100) for number in range(10)}))
    assert unlike.rate == 0.25
    assert unlike.low < 0.15
    assert unlike.high > 0.35


def test_a_gain_is_paired_by_user() -> None:
    before = answers({f"u{number}": (5 + 5 * (number % 4), 100) for number in range(12)})
    after = answers({f"u{number}": (2 * (5 + 5 * (number % 4)), 100) for number in range(12)})
    gained = figures.gain(after, before)
    assert gained is not None
    assert all(abs(value - 1) < 1e-9 for value in gained.values())
    assert figures.gain(after, answers({"u0": (0, 10)})) is None


def test_the_summary_keeps_the_contract_and_can_be_drawn(tmp_path: Path) -> None:
    def of(taken: int) -> pa.Table:
        return answers({f"u{number}": (taken, 100) for number in range(8)})

    series = {
        "echo": [of(25), of(36)],
        "frozen": [of(25)] * 2,
        "shuffled": [of(25), of(20)],
        "own_proposals": [of(25)] * 2,
    }
    summary = figures.summary(series, {"echo": [of(20), of(21)], "frozen": [of(20)] * 2}, {400: of(30), 100: of(27)})
    assert set(summary["arms"]) == {"echo", "frozen", "shuffled", "own_proposals"}
    for values in summary["arms"].values():
        assert {"acceptance", "low", "high", "shown", "kept_rate"} <= set(values)
        assert len(values["acceptance"]) == 2
    assert [one["lessons"] for one in summary["by_lessons"]] == [100, 400]
    assert summary["gain"]["echo"]["value"] == pytest.approx(0.44)
    json.dumps(summary, allow_nan=False)
    night = {"day": "2026-11-02", "rows": {"lifecycles": 9}, "lessons": 5, "judgement": "likelier", "better": True}
    nights = [{**night, "decision": "promote", "reason": "better"}]
    assert len(figures.tables({**summary, "nights": nights})) == 3
    figures.plot(summary, tmp_path / "acceptance.png")
    assert (tmp_path / "acceptance.png").read_bytes().startswith(b"\x89PNG")

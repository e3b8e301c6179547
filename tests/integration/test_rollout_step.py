"""Whole steps on a real Postgres: who decides what, and what a kill leaves behind."""

import os
import signal
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from echo_ops.errors import InputError, UnavailableError
from echo_ops.pipeline import promote
from echo_ops.pipeline.promote import Decision, latest, step
from echo_ops.rollout import ledger
from echo_ops.rollout.directory_registry import DirectoryRegistry
from echo_ops.rollout.evidence import Counts
from echo_ops.rollout.gate import Judgement
from echo_ops.rollout.registry import ModelVersion
from echo_ops.schema.rollouts import Alias, GateVerdict
from echo_ops.settings import Rollout, Settings

NOON = datetime(2026, 11, 4, 12, tzinfo=UTC)


class Verdict:
    """A gate that always says the same."""

    def __init__(self, verdict: GateVerdict) -> None:
        self._verdict = verdict

    def __call__(self, champion: Counts, challenger: Counts, next_share: float, settings: Rollout) -> Judgement:
        return Judgement(self._verdict, "as told")


class Loop:
    """A database, a registry with three versions, and a clock that goes on by an hour with each step."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.settings = Settings(home=folder, rollout=Rollout(look_hours=1))
        self.registry = DirectoryRegistry(folder / "registry")
        self.now = NOON
        for weights in ("one", "two", "three"):
            checkpoint = folder / weights
            checkpoint.mkdir()
            (checkpoint / "config.json").write_text("{}")
            (checkpoint / "weights").write_text(weights)
            self.registry.register(checkpoint, run_id=None, tags={})

    def alias(self, alias: Alias, version: str | None) -> None:
        self.registry.set_alias(alias, None if version is None else self.registry.version(version))

    def step(self, verdict: GateVerdict = "insufficient", **overrides: Any) -> Decision:
        self.now += timedelta(hours=1)
        given: dict[str, Any] = {"registry": self.registry, "gate": Verdict(verdict), "now": self.now}
        return step(self.settings, self.url, **{**given, **overrides})

    def aliases(self) -> tuple[str | None, ...]:
        found = (self.registry.champion(), self.registry.challenger(), self.registry.previous_champion())
        return tuple(version and version.version for version in found)

    def ledger(self) -> list[tuple[str, float, float]]:
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT decision, share_before, share_after FROM echo.rollouts ORDER BY revision")
            return cursor.fetchall()

    def routing(self) -> tuple[bool, str | None]:
        """What a router reads: whether users are shared out, and who serves the others."""
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT running, serving FROM echo.rollout_state WHERE model_name = 'echo-completion'")
            (row,) = cursor.fetchall()
            return row

    def pending(self) -> int:
        with closing(psycopg2.connect(self.url)) as connection:
            return len(ledger.pending(connection, self.settings.mlflow.model_name))


@pytest.fixture
def loop(database_url: str, tmp_path: Path) -> Loop:
    return Loop(database_url, tmp_path)


def test_a_challenger_that_passes_becomes_champion(loop: Loop) -> None:
    loop.alias("champion", "1")
    loop.alias("challenger", "2")
    decisions = [loop.step("better") for _ in range(4)]
    assert [decision.entry.plan.decision for decision in decisions] == ["advance", "advance", "advance", "promote"]
    assert loop.ledger() == [("advance", 0, 0.05), ("advance", 0.05, 0.25), ("advance", 0.25, 0.5), ("promote", 0.5, 0)]
    assert loop.aliases() == ("2", None, "1")
    assert loop.routing() == (False, "2")
    assert loop.step("better").entry.plan.reason.startswith("no challenger")
    assert loop.routing() == (False, "2")
    # and the next night
    loop.alias("challenger", "3")
    loop.step("not_worse")
    assert loop.routing() == (True, "2")
    for _ in range(3):
        loop.step("not_worse")
    assert loop.aliases() == ("3", None, "2")


def test_a_challenger_that_is_worse_loses_its_alias_and_is_not_tried_again(loop: Loop) -> None:
    loop.alias("champion", "1")
    loop.alias("challenger", "2")
    loop.step()
    assert loop.step("worse").entry.plan.decision == "roll_back"
    assert loop.aliases() == ("1", None, None)
    loop.alias("challenger", "2")
    assert "rolled back as worse" in loop.step().entry.plan.reason
    assert loop.aliases() == ("1", "2", None)


def test_no_champion_is_a_hold(loop: Loop) -> None:
    decision = loop.step()
    assert decision.entry.plan.decision == "hold"
    assert decision.figures()["reason"].startswith("no champion")
    assert loop.ledger() == [("hold", 0, 0)]


def test_a_hold_that_says_nothing_new_is_not_written_again(loop: Loop) -> None:
    first, second = loop.step(), loop.step()
    assert (first.new, second.new) == (True, False)
    assert second.entry == first.entry
    loop.alias("champion", "1")
    assert loop.step().new
    assert len(loop.ledger()) == 2


def test_evidence_begins_with_the_share(loop: Loop) -> None:
    loop.alias("champion", "1")
    loop.alias("challenger", "2")
    started = loop.step()
    held = loop.step()
    assert held.entry.evidence is not None
    assert (held.entry.evidence.since, held.entry.evidence.until) == (started.entry.decided_at, loop.now)
    advanced = loop.step("better")
    assert advanced.entry.share_since == loop.now
    again = loop.step()
    assert again.entry.evidence is not None
    assert again.entry.evidence.since == advanced.entry.decided_at


def test_between_two_looks_nothing_new_is_seen(loop: Loop) -> None:
    loop.alias("champion", "1")
    loop.alias("challenger", "2")
    began = loop.step().entry.decided_at
    quarters = [loop.step(now=began + timedelta(minutes=15 * quarter)) for quarter in range(1, 9)]
    ends = [decision.entry.evidence.until for decision in quarters if decision.entry.evidence]
    assert [(end - began) / timedelta(hours=1) for end in ends] == [0, 0, 0, 0, 0, 0, 0, 0]
    # the same words and counts are one row, however often they are looked at
    assert [decision.new for decision in quarters] == [True, *[False] * 7]


@pytest.mark.parametrize(("minutes", "hours"), [(0, 0), (359, 0), (360, 6), (719, 6), (720, 12)])
def test_evidence_ends_with_the_last_look(minutes: int, hours: int) -> None:
    end = promote.last_look(NOON, NOON + timedelta(minutes=minutes), Rollout(look_hours=6))
    assert end == NOON + timedelta(hours=hours)


def test_the_database_tells_the_time_where_nobody_else_does(loop: Loop) -> None:
    loop.alias("champion", "1")
    loop.alias("challenger", "2")
    before = datetime.now(UTC)
    decision = loop.step(now=None)
    assert before - timedelta(minutes=5) < decision.entry.decided_at < datetime.now(UTC) + timedelta(minutes=5)


def test_the_real_gate_reads_real_events(loop: Loop) -> None:
    settings = loop.settings.model_copy(update={"rollout": Rollout(shares=(0.5,), min_shown=100, look_hours=2)})
    loop.alias("champion", "1")
    loop.alias("challenger", "2")
    started = step(settings, loop.url, registry=loop.registry, now=NOON)
    assert started.entry.plan.share_after == 0.5
    with closing(psycopg2.connect(loop.url)) as connection:
        connection.cursor().execute(
            """
            INSERT INTO echo.completion_events (event_id, kind, occurred_at, received_at, user_id, session_id,
                document_id, seq, request_id, model_version, prefix, suffix, offset_unit)
            SELECT gen_random_uuid(), kind, received_at, received_at, 'user-' || mod(n, 40), 's', 'd', n,
                   md5(n::text)::uuid, 'echo-completion/' || 1 + mod(n, 2), '', '', 'code-point'
            FROM generate_series(0, 1999) AS n,
                 LATERAL (VALUES ('requested'), ('shown'), ('accepted')) AS k (kind),
                 LATERAL (SELECT %(noon)s + interval '1 second' * n) AS t (received_at)
            WHERE kind <> 'accepted' OR mod(n / 40, 10) < 3 + 2 * mod(n, 2)
            """,
            {"noon": NOON},
        )
        connection.commit()
    decision = step(settings, loop.url, registry=loop.registry, now=NOON + timedelta(hours=2))
    figures = decision.figures()
    assert figures["decision"] == "promote"
    assert (figures["champion shown"], figures["champion accepted"], figures["champion users"]) == (1000, 300, 20)
    assert (figures["challenger shown"], figures["challenger accepted"], figures["challenger users"]) == (1000, 500, 20)
    assert figures["verdict"] == "better"
    assert loop.aliases() == ("2", None, "1")
    last = latest(settings, loop.url)
    assert last is not None
    assert last.entry == decision.entry


def test_nothing_decided_yet_is_said(loop: Loop) -> None:
    assert latest(loop.settings, loop.url) is None


def test_a_database_without_the_ledger_is_said(empty_database_url: str, loop: Loop) -> None:
    with pytest.raises(InputError, match="echo-ops migrate"):
        step(loop.settings, empty_database_url, registry=loop.registry)


# -- kills


class Mortal(DirectoryRegistry):
    """A registry whose process is killed when its moves have come to a number."""

    def __init__(self, root: Path, dies_at: int) -> None:
        super().__init__(root)
        self._left = dies_at

    def set_alias(self, alias: Alias, version: ModelVersion | None) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        super().set_alias(alias, version)


def killed(run: Callable[[], object]) -> None:
    """Run in a process of its own that must die by SIGKILL."""
    child = os.fork()
    if child == 0:
        try:
            run()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def at_the_last_share(loop: Loop) -> None:
    loop.alias("champion", "2")
    loop.alias("previous_champion", "1")
    loop.alias("challenger", "3")
    for _ in range(3):
        loop.step("better")
    assert loop.ledger()[-1] == ("advance", 0.25, 0.5)


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_killed_between_any_two_moves_the_next_step_finishes_them(loop: Loop, moves: int) -> None:
    at_the_last_share(loop)
    killed(lambda: loop.step("better", registry=Mortal(loop.settings.home / "registry", moves)))
    assert loop.ledger()[-1] == ("promote", 0.5, 0)
    assert loop.pending() == 1
    after = loop.step("better")
    assert loop.aliases() == ("3", None, "2")
    assert loop.pending() == 0
    assert after.entry.plan.reason.startswith("no challenger")
    assert [decision for decision, _, _ in loop.ledger()].count("promote") == 1


KILL_AT = {
    "before the row is written": ("append", 3),
    "before the moves are said to be made": ("applied", 4),
}


@pytest.mark.parametrize(("name", "rows"), KILL_AT.values(), ids=KILL_AT)
def test_killed_around_the_ledger_nothing_is_decided_twice(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, name: str, rows: int
) -> None:
    at_the_last_share(loop)

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(promote.ledger, name, die)
        killed(lambda: loop.step("better"))
    assert len(loop.ledger()) == rows
    loop.step("better")
    assert loop.aliases() == ("3", None, "2")
    assert [decision for decision, _, _ in loop.ledger()].count("promote") == 1
    assert loop.pending() == 0


def test_killed_before_the_commit_nothing_was_decided(loop: Loop) -> None:
    at_the_last_share(loop)

    class Dying(Verdict):
        def __call__(self, champion: Counts, challenger: Counts, next_share: float, settings: Rollout) -> Judgement:
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

    killed(lambda: loop.step(gate=Dying("better")))
    assert len(loop.ledger()) == 3
    assert loop.aliases() == ("2", "3", "1")
    assert loop.step("undecided").entry.plan.decision == "hold"


def test_what_somebody_moved_by_hand_after_a_kill_is_left_and_said(loop: Loop) -> None:
    at_the_last_share(loop)
    killed(lambda: loop.step("better", registry=Mortal(loop.settings.home / "registry", 1)))
    loop.alias("champion", "1")  # a person was faster
    decision = loop.step()
    assert loop.aliases() == ("1", None, "2")
    assert decision.entry.plan.decision == "hold"
    assert loop.pending() == 0


def test_a_rollback_by_hand_after_a_promotion_is_not_undone(loop: Loop) -> None:
    at_the_last_share(loop)
    loop.step("better")
    loop.alias("champion", "2")
    loop.step("better")
    assert loop.aliases() == ("2", None, "2")


def test_a_registry_that_goes_away_in_between_is_said_and_made_good(loop: Loop) -> None:
    at_the_last_share(loop)

    class Gone(DirectoryRegistry):
        def set_alias(self, alias: Alias, version: ModelVersion | None) -> None:
            raise UnavailableError("MLflow is gone")

    with pytest.raises(UnavailableError, match=r"promote \(revision 4\) is decided.*MLflow is gone"):
        loop.step("better", registry=Gone(loop.settings.home / "registry"))
    loop.step()
    assert loop.aliases() == ("3", None, "2")


def test_two_steps_at_once_decide_once(loop: Loop) -> None:
    loop.alias("champion", "1")
    loop.alias("challenger", "2")
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            try:
                step(loop.settings, loop.url, registry=DirectoryRegistry(loop.settings.home / "registry"), now=NOON)
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert [decision for decision, _, _ in loop.ledger()].count("advance") == 1

"""The ledger, its evidence and its functions in a real Postgres."""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg2
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection

from echo_ops.errors import UnavailableError
from echo_ops.rollout import ledger
from echo_ops.rollout.assignment import position
from echo_ops.rollout.evidence import Counts, Evidence, read
from echo_ops.rollout.gate import Judgement
from echo_ops.rollout.ledger import Entry
from echo_ops.rollout.plan import Move, Plan, Running
from echo_ops.schema.rollouts import GATE_VERDICTS, ROLLOUT_DECISIONS, ROLLOUTS

NOON = datetime(2026, 11, 4, 12, tzinfo=UTC)
CHAMPION, CHALLENGER = "echo-completion/3", "echo-completion/4"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with closing(psycopg2.connect(database_url)) as connection:
        yield connection


# -- evidence


class Editor:
    """Puts events into the table, with the columns that matter here."""

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.cursor()
        self._ids = itertools.count(1)
        self.requests = itertools.count(1)

    def report(self, kind: str, request: int, user: str, minute: float, model: str | None = None) -> None:
        number = next(self._ids)
        text = "" if kind == "requested" else None
        self._cursor.execute(
            "INSERT INTO echo.completion_events (event_id, kind, occurred_at, received_at, user_id, session_id,"
            " document_id, seq, request_id, model_version, prefix, suffix, offset_unit)"
            " VALUES (%s, %s, %s, %s, %s, 's', 'd', %s, %s, %s, %s, %s, 'code-point')",
            (
                str(UUID(int=number)), kind, NOON, NOON + timedelta(minutes=minute), user, number,
                str(UUID(int=request)), model, text, text,
            ),
        )  # fmt: skip

    def request(self, user: str, model: str, minute: float, *outcomes: str) -> None:
        request = next(self.requests)
        self.report("requested", request, user, minute, model)
        for outcome in outcomes:
            self.report(outcome, request, user, minute + 0.1)


def evidence(connection: Connection, minutes: float = 60) -> Evidence:
    return read(connection, CHAMPION, CHALLENGER, NOON, NOON + timedelta(minutes=minutes), timedelta(minutes=5))


def test_shown_and_accepted_are_counted_by_model_and_user(connection: Connection) -> None:
    editor = Editor(connection)
    for user, model, outcomes in (
        ("ada", CHAMPION, ("shown", "accepted")),
        ("ada", CHAMPION, ("shown", "rejected")),
        ("ada", CHAMPION, ("shown",)),
        ("bob", CHAMPION, ("shown", "partially_accepted")),
        ("eve", CHALLENGER, ("shown", "partially_accepted", "accepted")),
        ("eve", "somebody-else/1", ("shown", "accepted")),
    ):
        editor.request(user, model, 1, *outcomes)
    found = evidence(connection)
    assert found.champion == Counts.of_users([(3, 1), (1, 0)], partially_accepted=1)
    assert found.challenger == Counts.of_users([(1, 1)])


def test_a_request_counts_once_whatever_was_reported_how_often(connection: Connection) -> None:
    editor = Editor(connection)
    for kind in ("requested", "requested", "shown", "shown", "accepted", "accepted"):
        editor.report(kind, 1, "ada", 1, CHAMPION if kind == "requested" else CHALLENGER)
    assert evidence(connection).champion == Counts.of_users([(1, 1)])
    assert evidence(connection).challenger == Counts()


def test_a_lost_shown_is_implied_by_an_outcome_but_not_by_ignored(connection: Connection) -> None:
    editor = Editor(connection)
    editor.request("ada", CHAMPION, 1, "accepted")
    editor.request("ada", CHAMPION, 1, "rejected")
    editor.request("ada", CHAMPION, 1, "ignored")
    editor.request("ada", CHAMPION, 1)
    assert evidence(connection).champion == Counts.of_users([(2, 1)])


def test_the_model_may_stand_on_the_outcome_alone(connection: Connection) -> None:
    editor = Editor(connection)
    editor.report("requested", 1, "ada", 1)
    editor.report("shown", 1, "ada", 1, CHALLENGER)
    assert evidence(connection).challenger.shown == 1


@pytest.mark.parametrize(
    ("minute", "shown"),
    [(-1, 0), (0, 1), (54.9, 1), (55, 0), (61, 0)],
    ids=["before", "first", "last", "open", "after"],
)
def test_the_window_is_of_the_share_and_leaves_out_what_may_be_open(
    connection: Connection, minute: float, shown: int
) -> None:
    Editor(connection).request("ada", CHAMPION, minute, "shown")
    assert evidence(connection).champion.shown == shown


def test_an_outcome_of_an_earlier_shares_request_is_not_evidence(connection: Connection) -> None:
    editor = Editor(connection)
    editor.report("requested", 1, "ada", -0.5, CHAMPION)
    editor.report("accepted", 1, "ada", 0.5)
    assert evidence(connection).champion == Counts()


# -- ledger


def entry(revision: int, decision: str = "hold", share: float = 0.0, verdict: str | None = None) -> Entry:
    made = Plan(decision, "because", "3", "4", "4@1", 0.05, share, (Move("challenger", "4", None),))  # type: ignore[arg-type]
    judgement = Judgement(verdict, "said", 0.1, -0.1, 0.3) if verdict else None  # type: ignore[arg-type]
    seen = Evidence(NOON, NOON + timedelta(hours=1), Counts.of_users([(10, 3)]), Counts.of_users([(9, 4), (1, 1)], 2))
    return Entry(
        "echo-completion", revision, made, NOON if share else None, seen if verdict else None, judgement, "digest", NOON
    )


@pytest.mark.parametrize("verdict", [None, *GATE_VERDICTS])
@pytest.mark.parametrize("decision", ROLLOUT_DECISIONS)
def test_what_is_written_is_read(connection: Connection, decision: str, verdict: str | None) -> None:
    written = entry(1, decision, 0.25, verdict)
    ledger.append(connection, written)
    assert ledger.last(connection, "echo-completion") == written
    assert ledger.state(connection, "echo-completion", written).running == Running("4@1", "3", "4", 0.25, NOON)
    assert ledger.last(connection, "another") is None


def test_the_last_decision_counts(connection: Connection) -> None:
    for revision, share in ((1, 0.05), (2, 0.25), (3, 0.0)):
        ledger.append(connection, entry(revision, "advance", share))
    last = ledger.last(connection, "echo-completion")
    assert last is not None
    assert (last.revision, ledger.running(last)) == (3, None)


def test_only_what_the_gate_found_worse_is_refused_later(connection: Connection) -> None:
    ledger.append(connection, entry(1, "roll_back", verdict="insufficient"))
    assert ledger.state(connection, "echo-completion", None).refused == set()
    ledger.append(connection, entry(2, "roll_back", verdict="worse"))
    assert ledger.state(connection, "echo-completion", None).refused == {"4"}


def test_a_second_decision_on_one_state_is_refused(connection: Connection) -> None:
    ledger.append(connection, entry(1))
    with pytest.raises(UnavailableError, match="revision 1 of echo-completion is in the ledger already"):
        ledger.append(connection, entry(1, "promote"))


def test_moves_are_pending_until_they_are_applied(connection: Connection) -> None:
    ledger.append(connection, entry(1))
    assert ledger.pending(connection, "echo-completion") == [(1, (Move("challenger", "4", None),))]
    ledger.applied(connection, "echo-completion", 1, ["a note"])
    assert ledger.pending(connection, "echo-completion") == []


@pytest.mark.parametrize("table", ["rollouts", "rollout_effects"])
@pytest.mark.parametrize(
    "statement", ["UPDATE echo.{} SET revision = 7", "DELETE FROM echo.{}", "TRUNCATE echo.{} CASCADE"]
)
def test_nothing_in_the_ledger_can_be_changed(connection: Connection, table: str, statement: str) -> None:
    ledger.append(connection, entry(1))
    ledger.applied(connection, "echo-completion", 1, [])
    with pytest.raises(psycopg2.errors.RestrictViolation, match="append-only"):
        connection.cursor().execute(statement.format(table))


def test_users_cannot_be_shared_out_between_models_that_are_not_named(connection: Connection) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        connection.cursor().execute(
            "INSERT INTO echo.rollouts (model_name, revision, decision, reason, share_before, share_after, alias_moves,"
            " settings_digest, decided_at) VALUES ('m', 1, 'advance', '', 0, 0.05, '[]', '', now())"
        )


def test_one_step_at_a_time_decides_on_a_model(database_url: str, connection: Connection) -> None:
    ledger.lock(connection, "echo-completion")
    got = threading.Event()

    def other(model_name: str) -> None:
        with closing(psycopg2.connect(database_url)) as second:
            ledger.lock(second, model_name)
            got.set()

    waiting = threading.Thread(target=other, args=["echo-completion"])
    waiting.start()
    unhindered = threading.Thread(target=other, args=["another-model"])
    unhindered.start()
    unhindered.join(30)
    assert got.is_set()
    got.clear()
    assert not got.wait(0.3)
    connection.commit()
    waiting.join(30)
    assert got.is_set()


# -- what others rely on


def test_the_schema_is_the_tables(connection: Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(
        "SELECT column_name, data_type, is_nullable = 'YES' FROM information_schema.columns"
        " WHERE table_schema = 'echo' AND table_name = 'rollouts' ORDER BY ordinal_position"
    )
    types = {
        "text": pa.string(), "jsonb": pa.string(), "bigint": pa.int64(), "double precision": pa.float64(),
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    }  # fmt: skip
    found = [pa.field(name, types[kind], nullable) for name, kind, nullable in cursor.fetchall()]
    assert pa.schema(found) == ROLLOUTS


def test_the_database_deals_users_out_as_python_does(connection: Connection) -> None:
    pairs = [("4@7", f"user-{number}") for number in range(300)] + [("", ""), ("4@7", "Ünïcode 🐍"), ("a\nb", "c\\n'")]
    cursor = connection.cursor()
    cursor.execute(
        "SELECT echo.rollout_position(r, u) FROM jsonb_to_recordset(%s) AS t (r text, u text)",
        (json.dumps([{"r": rollout, "u": user} for rollout, user in pairs]),),
    )
    assert [row[0] for row in cursor.fetchall()] == [position(*pair) for pair in pairs]

"""The ledger of decisions in Postgres: append-only, and the only memory that a rollout has.

A decision is written first and its alias moves are made after: a kill in between leaves a row that says what is still
to be done (``pending``). The other way round, a kill would leave a champion that nothing explains.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from echo_ops.errors import UnavailableError
from echo_ops.rollout.evidence import Counts, Evidence
from echo_ops.rollout.gate import Judgement
from echo_ops.rollout.plan import Move, Plan, Running, State
from echo_ops.sql import statement

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision with all that it rests on: a row of ``echo.rollouts`` (``schema.rollouts.ROLLOUTS``)."""

    model_name: str
    revision: int
    plan: Plan
    share_since: datetime | None
    evidence: Evidence | None
    judgement: Judgement | None
    settings_digest: str
    decided_at: datetime

    def repeats(self, before: Entry | None) -> bool:
        """Whether this is a hold that says nothing that the entry before it does not say."""
        if before is None or self.plan.decision != "hold":
            return False
        return (self.plan, self.judgement, self.settings_digest) == (
            before.plan,
            before.judgement,
            before.settings_digest,
        )


def lock(connection: Connection, model_name: str) -> None:
    """Wait until no other step decides on this model; held until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('echo.rollouts:' || %s, 0))", (model_name,))


def clock(connection: Connection) -> datetime:
    """The database's time: the clock that ``received_at`` is measured with, whatever machine takes the step."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row: Any = cursor.fetchone()
        now: datetime = row[0]
        return now


def last(connection: Connection, model_name: str) -> Entry | None:
    """The last decision about a model."""
    with connection.cursor() as cursor:
        cursor.execute(statement("rollout_state"), {"model_name": model_name})
        row = cursor.fetchone()
        names = [column.name for column in cursor.description or ()]
    return None if row is None else _entry(dict(zip(names, row, strict=True)))


def state(connection: Connection, model_name: str, entry: Entry | None) -> State:
    """What follows from the last decision."""
    with connection.cursor() as cursor:
        cursor.execute(statement("rollout_refused"), {"model_name": model_name})
        refused = frozenset(version for (version,) in cursor.fetchall())
    if entry is None:
        return State(refused=refused)
    return State(entry.revision, running(entry), refused)


def running(entry: Entry) -> Running | None:
    """The rollout that goes on after a decision."""
    made = entry.plan
    if not made.share_after:
        return None
    # The table demands all four of whoever shares users out.
    return Running(
        rollout_id=_there(made.rollout_id),
        champion=_there(made.champion),
        challenger=_there(made.challenger),
        share=made.share_after,
        since=_there(entry.share_since),
    )


def append(connection: Connection, entry: Entry) -> None:
    """Write a decision.

    Raises:
        UnavailableError: somebody else decided on the same state meanwhile; the next step sees it.
    """
    with connection.cursor() as cursor:
        cursor.execute(statement("rollout_append"), _row(entry))
        if cursor.rowcount != 1:
            raise UnavailableError(
                f"revision {entry.revision} of {entry.model_name} is in the ledger already: another rollout step "
                "decided meanwhile; the next step goes on from there"
            )


def pending(connection: Connection, model_name: str) -> list[tuple[int, tuple[Move, ...]]]:
    """Revisions whose alias moves are not known to be made, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(statement("rollout_pending"), {"model_name": model_name})
        return [(revision, _moves(moves)) for revision, moves in cursor.fetchall()]


def applied(connection: Connection, model_name: str, revision: int, notes: Iterable[str]) -> None:
    """Write down that a revision's alias moves are made."""
    with connection.cursor() as cursor:
        values = {"model_name": model_name, "revision": revision, "notes": json.dumps(list(notes))}
        cursor.execute(statement("rollout_applied"), values)


def _row(entry: Entry) -> dict[str, Any]:
    made, evidence, judgement = entry.plan, entry.evidence, entry.judgement
    row: dict[str, Any] = {
        "model_name": entry.model_name,
        "revision": entry.revision,
        "rollout_id": made.rollout_id,
        "decision": made.decision,
        "reason": made.reason,
        "champion": made.champion,
        "challenger": made.challenger,
        "share_before": made.share_before,
        "share_after": made.share_after,
        "share_since": entry.share_since,
        "evidence_from": evidence and evidence.since,
        "evidence_until": evidence and evidence.until,
        "evidence": None,
        "alias_moves": json.dumps([asdict(move) for move in made.moves]),
        "settings_digest": entry.settings_digest,
        "decided_at": entry.decided_at,
    }
    parts = {
        "champion": asdict(evidence.champion) if evidence else None,
        "challenger": asdict(evidence.challenger) if evidence else None,
        "judgement": asdict(judgement) if judgement else None,
    }
    for who in ("champion", "challenger"):
        row |= {f"{who}_{name}": _part(parts[who], name) for name in ("shown", "accepted", "users")}
    row |= {name: _part(parts["judgement"], name) for name in ("verdict", "difference", "low", "high")}
    if evidence and judgement:
        row["evidence"] = json.dumps(parts)
    return row


def _entry(row: Mapping[str, Any]) -> Entry:
    evidence = judgement = None
    if row["evidence"] is not None:
        counts = (Counts(**row["evidence"][who]) for who in ("champion", "challenger"))
        evidence = Evidence(row["evidence_from"], row["evidence_until"], *counts)
        judgement = Judgement(**row["evidence"]["judgement"])
    made = Plan(
        decision=row["decision"],
        reason=row["reason"],
        champion=row["champion"],
        challenger=row["challenger"],
        rollout_id=row["rollout_id"],
        share_before=row["share_before"],
        share_after=row["share_after"],
        moves=_moves(row["alias_moves"]),
    )
    return Entry(
        row["model_name"],
        row["revision"],
        made,
        row["share_since"],
        evidence,
        judgement,
        row["settings_digest"],
        row["decided_at"],
    )


def _part(part: Mapping[str, Any] | None, name: str) -> Any:
    return None if part is None else part[name]


def _there(value: T | None) -> T:
    assert value is not None
    return value


def _moves(rows: Iterable[Mapping[str, Any]]) -> tuple[Move, ...]:
    return tuple(Move(**row) for row in rows)

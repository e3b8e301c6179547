"""One step of the rollout: evidence in, plan out, effects last.

::

    transaction 1   lock · finish what a killed step left · read ledger, aliases, evidence · judge · plan · append
    transaction 2   lock · move the aliases in MLflow · note that they are moved

The ledger's row comes before the aliases. A kill before it leaves nothing; a kill after it leaves a decision that says
which aliases to move from where to where, and the next step, or this one again, moves those that still stand where they
stood. Done the other way round, a kill would leave a champion without a reason, and the evidence for it gone.

Only the DAG ``echo_rollout`` and ``echo-ops rollout step`` come here: a backfill never promotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from echo_ops.errors import InputError, UnavailableError
from echo_ops.events.postgres import connect
from echo_ops.rollout import ledger
from echo_ops.rollout.evidence import Evidence, read
from echo_ops.rollout.gate import Gate, judge
from echo_ops.rollout.ledger import Entry
from echo_ops.rollout.plan import Aliases, Move, Running, next_share, plan
from echo_ops.rollout.registry import MlflowRegistry, ModelVersion, Registry
from echo_ops.settings import Rollout, Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True, slots=True)
class Decision:
    """What a step decided, or found decided. ``notes``: aliases that somebody else had moved, and that were left."""

    entry: Entry
    new: bool
    notes: tuple[str, ...] = ()

    def figures(self) -> Mapping[str, Any]:
        """Plain data, in the order in which a person wants to read it."""
        made, evidence, judgement = self.entry.plan, self.entry.evidence, self.entry.judgement
        figures: dict[str, Any] = {
            "decision": made.decision,
            "reason": made.reason,
            "model": self.entry.model_name,
            "champion": made.champion,
            "challenger": made.challenger,
            "share before": made.share_before,
            "share after": made.share_after,
        }
        if evidence and judgement:
            for who, counts in (("champion", evidence.champion), ("challenger", evidence.challenger)):
                figures |= {
                    f"{who} shown": counts.shown,
                    f"{who} accepted": counts.accepted,
                    f"{who} partially accepted": counts.partially_accepted,
                    f"{who} users": counts.users,
                    f"{who} acceptance": counts.acceptance,
                }
            figures |= {"difference": judgement.difference, "low": judgement.low, "high": judgement.high}
            figures |= {"verdict": judgement.verdict, "evidence since": evidence.since.isoformat()}
        moves = [f"{move.alias}: {move.before or 'none'} → {move.after or 'none'}" for move in made.moves]
        return figures | {
            "aliases": "; ".join(moves) or "unchanged",
            "notes": "; ".join(self.notes) or None,
            "revision": self.entry.revision,
            "decided at": self.entry.decided_at.isoformat(),
        }


def step(
    settings: Settings,
    url: str,
    *,
    registry: Registry | None = None,
    gate: Gate = judge,
    now: datetime | None = None,
) -> Decision:
    """Decide once, and apply it; on a state that is decided already, finish what is left to do.

    Args:
        settings: sections rollout and mlflow.
        url: Postgres with the events and the ledger.
        registry: None takes MLflow.
        gate: the test.
        now: None takes the database's clock; a simulation has its own.

    Raises:
        UnavailableError: MLflow or Postgres does not answer, or another step decided meanwhile.
        InputError: the database lacks the ledger.
    """
    registry = registry or MlflowRegistry(settings)
    name = settings.mlflow.model_name
    with connect(url) as connection:
        ledger.lock(connection, name)
        _finish(connection, name, registry)
        before = ledger.last(connection, name)
        entry = _decide(connection, before, settings, registry, gate, now or ledger.clock(connection))
        if entry.repeats(before):
            assert before is not None
            return Decision(before, new=False)
        ledger.append(connection, entry)
        connection.commit()
        ledger.lock(connection, name)
        try:
            notes = _finish(connection, name, registry)
        except UnavailableError as error:
            raise UnavailableError(
                f"{entry.plan.decision} (revision {entry.revision}) is decided, its aliases are not moved yet; "
                f"the next step moves them: {error}"
            ) from error
    return Decision(entry, new=True, notes=notes)


def latest(settings: Settings, url: str) -> Decision | None:
    """The last decision about the model; None where nothing was decided yet."""
    name = settings.mlflow.model_name
    with connect(url) as connection:
        entry = ledger.last(connection, name)
    return None if entry is None else Decision(entry, new=False)


def _decide(
    connection: Connection,
    before: Entry | None,
    settings: Settings,
    registry: Registry,
    gate: Gate,
    now: datetime,
) -> Entry:
    name = settings.mlflow.model_name
    state = ledger.state(connection, name, before)
    evidence = judgement = None
    if state.running is not None:
        evidence = _evidence(connection, name, state.running, now, settings)
        further = next_share(state.running, settings.rollout)
        judgement = gate(evidence.champion, evidence.challenger, further, settings.rollout)
    made = plan(state, _aliases(registry), judgement, settings.rollout, now)
    if made.share_after == 0:
        since = None
    elif made.share_after == made.share_before and state.running is not None:
        since = state.running.since
    else:
        since = now
    return Entry(name, state.revision + 1, made, since, evidence, judgement, settings.digest(), now)


def _evidence(connection: Connection, name: str, running: Running, now: datetime, settings: Settings) -> Evidence:
    champion, challenger = (
        ModelVersion(name, version).served_name for version in (running.champion, running.challenger)
    )
    settle = timedelta(minutes=settings.rollout.settle_minutes)
    return read(
        connection, champion, challenger, running.since, last_look(running.since, now, settings.rollout), settle
    )


def last_look(since: datetime, now: datetime, settings: Rollout) -> datetime:
    """End of the evidence: whole look_hours after the share began, so that every step in between sees the same."""
    between = timedelta(hours=settings.look_hours)
    return since + (now - since) // between * between


def _aliases(registry: Registry) -> Aliases:
    return Aliases(
        champion=_number(registry.champion()),
        challenger=_number(registry.challenger()),
        previous_champion=_number(registry.previous_champion()),
    )


def _finish(connection: Connection, name: str, registry: Registry) -> tuple[str, ...]:
    """Make the alias moves that the ledger asks for and does not know to be made."""
    notes: list[str] = []
    for revision, moves in ledger.pending(connection, name):
        told = [note for move in moves if (note := _make(move, registry))]
        ledger.applied(connection, name, revision, told)
        notes += told
    return tuple(notes)


def _make(move: Move, registry: Registry) -> str | None:
    """Make a move; a note where the alias stands neither where it stood nor where it shall."""
    current = _number(registry.aliased(move.alias))
    if current == move.after:
        return None
    if current != move.before:
        return f"alias {move.alias} was left at {current or 'none'}: somebody moved it from {move.before or 'none'}"
    try:
        registry.set_alias(move.alias, None if move.after is None else registry.version(move.after))
    except InputError as error:  # the version was deleted
        return f"alias {move.alias} was left at {current or 'none'}: {error}"
    return None


def _number(version: ModelVersion | None) -> str | None:
    return None if version is None else version.version

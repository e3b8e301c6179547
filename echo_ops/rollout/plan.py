"""What shall happen with a challenger: decided as data, from the ledger, the aliases and the gate. Applied elsewhere.

::

                      challenger in MLflow, nothing running: advance from 0
    (nothing) ───────────────────────────────────────────────────────────────► share 1
    share i    ── not worse ► share i+1   ── undecided ► hold, until patience ends   ── worse ► roll back
    last share ── not worse ► promote: champion → previous_champion, challenger → champion

A running rollout is finished before another begins: a newer challenger waits. Whoever removes the alias `challenger` or
moves `champion` by hand ends the rollout.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from echo_ops.rollout.gate import Judgement
from echo_ops.schema.rollouts import Alias, RolloutDecision
from echo_ops.settings import Rollout


@dataclass(frozen=True, slots=True)
class Running:
    """A rollout as the ledger knows it: who reads it knows who gets which model."""

    rollout_id: str
    champion: str
    challenger: str
    share: float
    since: datetime


@dataclass(frozen=True, slots=True)
class State:
    """What the ledger says of a model. ``refused``: versions that the gate found worse."""

    revision: int = 0
    running: Running | None = None
    refused: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Aliases:
    """Versions that MLflow's aliases point to."""

    champion: str | None = None
    challenger: str | None = None
    previous_champion: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """An alias from one version to another (None: no such alias). Applied only where it still stands at ``before``."""

    alias: Alias
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision before it is written down and applied."""

    decision: RolloutDecision
    reason: str
    champion: str | None = None
    challenger: str | None = None
    rollout_id: str | None = None
    share_before: float = 0.0
    share_after: float = 0.0
    moves: tuple[Move, ...] = ()


def next_share(running: Running, settings: Rollout) -> float:
    """What a challenger that passes gets: the next larger share, 1 after the last.

    Not the place in the list counts: shares may have been set anew while the rollout was running.
    """
    return next((share for share in settings.shares if share > running.share), 1.0)


def plan(state: State, aliases: Aliases, judgement: Judgement | None, settings: Rollout, now: datetime) -> Plan:
    """The next decision about a model.

    Args:
        state: the ledger's last word.
        aliases: MLflow's.
        judgement: the gate's; None counts as no evidence. Looked at only while a rollout is running.
        settings: shares, patience.
        now: time of the decision.
    """
    if state.running is None:
        return _idle(state, aliases, settings)
    ended = _ended_by_hand(state.running, aliases)
    if ended is not None:
        return ended
    return _judged(state.running, aliases, judgement, settings, now)


def _idle(state: State, aliases: Aliases, settings: Rollout) -> Plan:
    champion, challenger = aliases.champion, aliases.challenger

    def hold(reason: str) -> Plan:
        return Plan("hold", reason, champion, challenger)

    if champion is None:
        return hold("no champion: no version has the alias champion; echo-ops train registers the first one")
    if challenger is None:
        return hold("no challenger: no version has the alias challenger")
    if challenger == champion:
        return hold(f"version {challenger} is champion and challenger at once: there is nothing to compare")
    if challenger in state.refused:
        return hold(f"version {challenger} was rolled back as worse before and is not tried again; train another")
    share = settings.shares[0]
    return Plan(
        "advance",
        f"version {challenger} starts against champion {champion}",
        champion,
        challenger,
        rollout_id=f"{challenger}@{state.revision + 1}",
        share_after=share,
    )


def _ended_by_hand(running: Running, aliases: Aliases) -> Plan | None:
    if aliases.champion != running.champion:
        reason = f"the champion is {aliases.champion or 'gone'}, no longer {running.champion}: the comparison is void"
        # Without its alias, a challenger that was made champion by hand would be compared with itself.
        void = aliases.challenger is not None and aliases.challenger == aliases.champion
    elif aliases.challenger is None:
        reason, void = f"the alias challenger was taken from version {running.challenger}", False
    else:
        return None
    moves = (Move("challenger", aliases.challenger, None),) if void else ()
    return _of(running, "roll_back", reason, 0.0, moves)


def _judged(running: Running, aliases: Aliases, judgement: Judgement | None, settings: Rollout, now: datetime) -> Plan:
    verdict = judgement.verdict if judgement else "insufficient"
    sentence = judgement.sentence if judgement else "no evidence was read"
    # A newer challenger may have taken the alias meanwhile: it keeps it, and comes next.
    freed = (Move("challenger", running.challenger, None),) if aliases.challenger == running.challenger else ()
    if verdict == "worse":
        return _of(running, "roll_back", f"worse: {sentence}", 0.0, freed)
    if verdict not in ("not_worse", "better"):
        if now - running.since > timedelta(days=settings.patience_days):
            reason = (
                f"still {verdict} after {settings.patience_days:g} days at a share of {running.share:g}: {sentence}"
            )
            return _of(running, "roll_back", reason, 0.0, freed)
        return _of(running, "hold", f"{verdict}: {sentence}", running.share)
    reason = f"{verdict.replace('_', ' ')}: {sentence}"
    further = next_share(running, settings)
    if further < 1:
        return _of(running, "advance", reason, further)
    moves = (
        Move("previous_champion", aliases.previous_champion, running.champion),
        Move("champion", running.champion, running.challenger),
        *freed,
    )
    return _of(running, "promote", reason, 0.0, moves)


def _of(
    running: Running, decision: RolloutDecision, reason: str, share_after: float, moves: tuple[Move, ...] = ()
) -> Plan:
    return Plan(
        decision,
        reason,
        running.champion,
        running.challenger,
        running.rollout_id,
        running.share,
        share_after,
        moves,
    )

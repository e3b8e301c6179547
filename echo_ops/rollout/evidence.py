"""What users were shown and took, by model, as it stands in Postgres."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from echo_ops.sql import statement

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True, slots=True)
class Counts:
    """One model's evidence. Written by ``read``; read by the gate, and kept in the ledger.

    A request counts once. ``accepted`` is the whole proposal taken; ``partially_accepted`` (a word, a line) is told
    apart and is not an acceptance. With n_u proposals shown to user u and a_u accepted, the last three are
    Σ n_u², Σ n_u·a_u and Σ a_u²: all that is needed to know how much users differ from each other.
    """

    shown: int = 0
    accepted: int = 0
    partially_accepted: int = 0
    users: int = 0
    shown_squared: float = 0.0
    shown_accepted: float = 0.0
    accepted_squared: float = 0.0

    @property
    def acceptance(self) -> float:
        """Accepted among shown, 0 where nothing was shown."""
        return self.accepted / self.shown if self.shown else 0.0

    @classmethod
    def of_users(cls, users: Collection[tuple[int, int]], partially_accepted: int = 0) -> Counts:
        """Counts of users given as (shown, accepted)."""
        return cls(
            shown=sum(shown for shown, _ in users),
            accepted=sum(accepted for _, accepted in users),
            partially_accepted=partially_accepted,
            users=len(users),
            shown_squared=float(sum(shown * shown for shown, _ in users)),
            shown_accepted=float(sum(shown * accepted for shown, accepted in users)),
            accepted_squared=float(sum(accepted * accepted for _, accepted in users)),
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both models' counts of requests received from ``since`` until ``until``, without the settling time before it."""

    since: datetime
    until: datetime
    champion: Counts
    challenger: Counts


def read(
    connection: Connection, champion: str, challenger: str, since: datetime, until: datetime, settle: timedelta
) -> Evidence:
    """The evidence of a span of time; the same span gives the same evidence, apart from events that arrive later.

    Args:
        connection: to the database with the events.
        champion: the model as editors report it in ``model_version`` (``ModelVersion.served_name``).
        challenger: the other one.
        since: start of the current share; earlier requests were dealt out otherwise.
        until: end, exclusive; both are times of the server (``received_at``).
        settle: a request received within this time before ``until`` may not be answered yet, and is left out.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            statement("rollout_evidence"),
            {"since": since, "until": until, "settle": settle, "models": [champion, challenger]},
        )
        counts = {model: Counts(*row) for model, *row in cursor.fetchall()}
    return Evidence(since, until, counts.get(champion, Counts()), counts.get(challenger, Counts()))

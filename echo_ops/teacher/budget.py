"""What may be spent on a teacher or a student, in requests and tokens, by several shards together.

Each spender keeps a small file beside the answers: what it has spent, and what it has reserved to spend next. It
reserves by writing first and then adding up all files; of two that reserve at the same time at least one sees both,
and whoever sees too much gives back. So the limit holds without a lock, on a disk as on object storage, and what a
killed spender had reserved counts as spent.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict
from random import Random

from echo_ops.errors import BudgetError
from echo_ops.settings import ModelServer
from echo_ops.teacher.store import Store
from echo_ops.teacher.usage import Usage

logger = logging.getLogger(__name__)

SHARE = 20
"""A spender reserves one such part of the budget at a time."""

TRIES = 5
"""Times that a reservation is tried while others hold what is left."""

ENDING = ".spent.json"
LIMITS = ("requests", "tokens")

Amounts = dict[str, int]  # "requests" and "tokens"


class Ledger:
    """What the spenders below one place have spent."""

    def __init__(self, place: str) -> None:
        """Args: place: folder or object-store URI; the files of all folders below it count."""
        self._store = Store(place)
        self._name = f"{uuid.uuid4().hex}{ENDING}"

    def write(self, usage: Usage, reserved: Amounts) -> None:
        """Say what this spender has spent, and up to where it may go on."""
        entry = {"usage": asdict(usage), "reserved": reserved}
        self._store.write(self._name, json.dumps(entry, sort_keys=True).encode())

    def reserved(self) -> Amounts:
        """Of all spenders: what each has reserved, or spent where that is more."""
        total = dict.fromkeys(LIMITS, 0)
        for usage, reserved in self._entries():
            for kind in LIMITS:
                total[kind] += max(getattr(usage, kind), reserved[kind])
        return total

    def total(self) -> Usage:
        """Of all spenders: what they have spent."""
        return sum((usage for usage, _ in self._entries()), Usage())

    def _entries(self) -> Iterable[tuple[Usage, Amounts]]:
        for name in self._store.names(ENDING):
            content = self._store.read(name)
            try:
                entry = json.loads(content.to_pybytes()) if content else {}
                yield Usage(**entry["usage"]), entry["reserved"]
            except (ValueError, KeyError, TypeError):
                logger.warning("budget: %s/%s cannot be read and is passed over", self._store.place, name)


class Budget:
    """What one spender may spend.

    Args:
        settings: its limits.
        usage: what the spender has spent; counted by whoever spends.
        ledger: where the spending is added up with that of others; None: this spender is alone.
    """

    def __init__(
        self,
        settings: ModelServer,
        usage: Usage,
        ledger: Ledger | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        limits = {"requests": settings.max_requests, "tokens": settings.max_tokens}
        self._limits = {kind: limit for kind, limit in limits.items() if limit is not None}
        self._role = settings.role
        self._usage, self._ledger, self._sleep = usage, ledger, sleep
        self._allowed = dict.fromkeys(LIMITS, 0) if ledger else dict(self._limits)

    @property
    def spent_out(self) -> bool:
        """Whether the next request needs a reservation first."""
        return any(self._spent(kind) >= self._allowed[kind] for kind in self._limits)

    def reserve(self) -> None:
        """Reserve the next part of the budget; reads and writes files.

        Raises:
            BudgetError: nothing is left.
        """
        if self._ledger is None:
            raise self._used_up(next(kind for kind in self._limits if self._spent(kind) >= self._allowed[kind]))
        chance = Random()
        lacking: list[str] = []
        for _ in range(TRIES):
            wanted = {
                kind: max(self._allowed[kind], self._spent(kind) + max(limit // SHARE, 1))
                for kind, limit in self._limits.items()
            }
            self._write(wanted)
            reserved = self._ledger.reserved()
            too_much = {kind: max(0, reserved[kind] - limit) for kind, limit in self._limits.items()}
            granted = {kind: wanted[kind] - too_much[kind] for kind in self._limits}
            if any(too_much.values()):
                self._write({kind: max(granted[kind], self._spent(kind)) for kind in self._limits})
            lacking = [kind for kind in self._limits if granted[kind] <= self._spent(kind)]
            if not lacking:
                self._allowed |= granted
                return
            self._sleep(chance.uniform(0.02, 0.2))  # another may have taken it, and give some back
        raise self._used_up(lacking[0])

    def settle(self) -> None:
        """Say what was spent, and give back what is reserved beyond it."""
        if self._ledger is not None and (self._usage.requests or any(self._allowed.values())):
            self._allowed = {kind: self._spent(kind) for kind in LIMITS}
            self._ledger.write(self._usage, self._allowed)

    def _write(self, reserved: Amounts) -> None:
        assert self._ledger is not None
        self._ledger.write(self._usage, dict.fromkeys(LIMITS, 0) | reserved)

    def _spent(self, kind: str) -> int:
        amount: int = getattr(self._usage, kind)
        return amount

    def _used_up(self, kind: str) -> BudgetError:
        here = f", {self._spent(kind)} of them here" if self._ledger else ""
        return BudgetError(
            f"{self._role}: the budget of {self._limits[kind]} {kind} is used up{here}; answers so far are kept; raise "
            f"ECHO_{self._role.upper()}_MAX_{kind.upper()} and run again"
        )

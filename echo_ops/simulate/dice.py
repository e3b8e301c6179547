"""Chance that depends on names alone: the same words give the same throw, on every machine and in every order."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from random import Random
from uuid import UUID, uuid5

NAMESPACE = UUID("6f1c3f0e-6d7b-5f43-9a51-0f5c5a1d2e90")
"""Everything simulated has its UUID below this one."""


@dataclass(frozen=True, slots=True)
class Dice:
    """Throws for one place of the simulation; ``at`` gives the dice of a place within it."""

    place: str

    def at(self, *names: object) -> Dice:
        return Dice("/".join([self.place, *map(str, names)]))

    def stream(self) -> Random:
        """Fresh random numbers. ``Random`` is seeded with a number, so that PYTHONHASHSEED plays no part."""
        return Random(int.from_bytes(sha256(self.place.encode()).digest()[:16], "big"))

    def uuid(self) -> str:
        return str(uuid5(NAMESPACE, self.place))

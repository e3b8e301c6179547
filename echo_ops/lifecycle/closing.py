"""When a gap closes: a policy, kept apart from how its text is found, and versioned with the data (contract.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from echo_ops.errors import InputError
from echo_ops.schema.lifecycles import POLICIES

SECOND: Final = 1_000_000
"""Times are whole microseconds."""


@dataclass(frozen=True)
class ClosingPolicy:
    """What ends a lifecycle, besides a broken anchor, a closed document and the horizon."""

    name: str
    idle: int  # microseconds without an edit, after which the gap closes
    idle_of: str  # whose edits put the end off: those of the "gap", or of the whole "document"
    outside_edit_closes: bool


_ALL = (
    ClosingPolicy("default", 30 * SECOND, "gap", False),
    ClosingPolicy("strict", 300 * SECOND, "document", True),
)
assert {policy.name for policy in _ALL} == set(POLICIES)


def closing_policy(name: str) -> ClosingPolicy:
    """The policy of that name.

    Raises:
        InputError: there is none.
    """
    for policy in _ALL:
        if policy.name == name:
            return policy
    raise InputError(f"policy is {name!r}; known are {', '.join(POLICIES)}")

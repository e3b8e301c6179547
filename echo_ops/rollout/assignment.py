"""Who gets which model: sticky, stateless, computed by anyone who has the rollout's row.

``position = first 52 bits of SHA-256(rollout_id + "\\n" + user_id) / 2^52``, in UTF-8: a number that is exact in every
language's double. The challenger serves whoever stands below the share, so that a user who has it keeps it as the share
grows, and the next rollout deals the users anew. The same function is in the database: ``echo.rollout_position``.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

from echo_ops.rollout.plan import Running

Arm = Literal["champion", "challenger"]


def position(rollout_id: str, user_id: str) -> float:
    """Where a user stands in a rollout, in [0, 1)."""
    digest = sha256(f"{rollout_id}\n{user_id}".encode()).hexdigest()
    return int(digest[:13], 16) / 2**52


def arm(running: Running, user_id: str) -> Arm:
    """Which of a rollout's two models serves a user."""
    return "challenger" if position(running.rollout_id, user_id) < running.share else "champion"

"""What a proof does, fixed before it begins, and the same for every arm and every day."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from echo_ops.settings import Harvest, Lake, Mlflow, Postgres, Rollout, Settings
from echo_ops.simulate.workday import Scale
from echo_ops.training.base_model import Recipe

FIRST_DAY = date(2026, 11, 2)

CONTEXT_TOKENS, NEW_TOKENS = 160, 24
"""Of context and lesson together, and what of it is kept free for the lesson."""

PROPOSED_TOKENS = 12

BASE = Recipe(steps=2000, sequence=CONTEXT_TOKENS, reserved=NEW_TOKENS)
"""The base model: it reads the standard library, four million tokens of it, and none of the projects."""

PROJECTS = ("networkx", "sqlalchemy")
"""Installed packages that the programmers write: large, by many hands, and each with a language of its own."""

OTHER_PROJECTS = ("sympy", "pandas")
"""Packages that nobody writes here, to see what is learned of code in general."""

TRAINING: dict[str, Any] = {
    "method": "full",
    "learning_rate": 1.5e-3,
    "epochs": 1.0,
    "batch_size": 16,
    "window_days": 4,
    "held_out_days": 0,
    "replay_share": 0.2,
    "context_tokens": CONTEXT_TOKENS,
    "max_new_tokens": NEW_TOKENS,
    "token_healing": True,
    "evaluation_batch_size": 96,
    "threads": 1,
}
"""A night goes once over the lessons of four days, and a quarter as many of older ones. It holds no day back: what a
model does on the day after is measured."""

CURATION: dict[str, Any] = {"void_share": 0.03, "split_by": "document", "evaluation_share": 0.06}
"""Little silence, see ``pipeline.demo``; and the night's own judgement looks at some documents of the same users."""

GATE = Rollout(
    shares=(0.5,), min_shown=100, min_users=4, margin=0.05, look_hours=4, patience_days=4 / 24, settle_minutes=0
)
"""One look at the early risers, half of whom have the challenger: so few can only guard against a great loss."""

WORK = Scale(spells=(2, 2), documents=(6, 7), characters=(600, 1100))
EARLY_WORK = Scale(spells=(1, 1), documents=(4, 4), characters=(400, 600))
PANEL_WORK = Scale(spells=(1, 1), documents=(5, 6), characters=(400, 700))

SIZES = (0.125, 0.25, 0.5)
"""Shares of all lessons that a model learns from the base, in one go, to see how acceptance grows with them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A proof. ``users`` write, ``early`` are those who try a challenger first, ``panel`` those on whom is measured."""

    days: int
    users: int
    seed: int
    early: int = 40
    panel: int = 48
    panel_requests: int = 2100  # at most, in the users' projects, and as many in the others
    work: Scale = WORK  # of a user's day
    early_work: Scale = EARLY_WORK
    panel_work: Scale = PANEL_WORK
    base: Recipe = BASE

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Plan:
        """The inverse of ``dataclasses.asdict``, also after a way through JSON."""
        scales = {
            name: Scale(**{what: (low, high) for what, (low, high) in data[name].items()})
            for name in ("work", "early_work", "panel_work")
        }
        return cls(**{**data, **scales, "base": Recipe(**data["base"])})

    @property
    def pieces(self) -> int:
        """Pieces of work that are reported: the base, each day's work twice, and what each arm learns and is worth."""
        return 3 + self.days * (2 + 3 * 2 + 1) + 2 * len(SIZES)

    def day(self, number: int) -> date:
        """The date of a day, counted from 0."""
        return FIRST_DAY + timedelta(days=number)

    def settings(self, outer: Settings, home: Path, url: str, base: Path) -> Settings:
        """Settings with a lake, a database and a registry of the proof's own; a teacher is taken from ``outer``."""
        training = outer.training.model_copy(update={**TRAINING, "seed": self.seed})
        return outer.model_copy(
            update={
                "home": home,
                "base_model": str(base),
                "alerts": None,
                "postgres": Postgres(url=SecretStr(url)),
                "lake": Lake(),
                "mlflow": Mlflow(),
                "harvest": Harvest(processes=1),
                "curation": outer.curation.model_copy(update=CURATION),
                "training": training,
                "rollout": GATE,
            }
        )

    def written(self) -> dict[str, Any]:
        """All that is fixed, to be written down before the first day."""
        return {
            "plan": asdict(self),
            "projects": PROJECTS,
            "other_projects": OTHER_PROJECTS,
            "training": TRAINING,
            "curation": CURATION,
            "gate": GATE.model_dump(mode="json"),
            "proposed_tokens": PROPOSED_TOKENS,
            "sizes": SIZES,
        }

"""The arm that goes through the real pipeline: Postgres, harvest, lake, training, MLflow, and the gate."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from echo_ops.pipeline import promote, train
from echo_ops.pipeline.assemble import assemble
from echo_ops.pipeline.champion import ensure_champion
from echo_ops.pipeline.harvest import harvest
from echo_ops.pipeline.loop import serving
from echo_ops.pipeline.loop.plan import GATE, Plan
from echo_ops.pipeline.loop.teams import Teams
from echo_ops.pipeline.night_folder import folder_of
from echo_ops.rollout.assignment import position
from echo_ops.rollout.plan import Plan as RolloutPlan
from echo_ops.rollout.registry import MlflowRegistry, ModelVersion
from echo_ops.settings import Settings
from echo_ops.training.progress import Report

DAWN = time(0, 30, tzinfo=UTC)
"""When a challenger starts, on the day after the one that it learned: before the first of the early risers."""


@dataclass
class Echo:
    """One proof's pipeline. ``nights``: what each night came to, for the summary."""

    plan: Plan
    teams: Teams
    settings: Settings
    url: str
    folder: Path
    nights: list[dict[str, Any]] = field(default_factory=list)

    def note_consents(self) -> None:
        """Note that the early risers do not consent to be learned from: they judge, and only the users teach."""
        from echo_ops.events.postgres import connect

        with connect(self.url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO echo.consents (user_id, consented) VALUES (%s, false)",
                [(user.user_id,) for user in self.teams.early],
            )

    def champion(self) -> tuple[ModelVersion, Path]:
        """The version that serves, and its checkpoint."""
        registry = MlflowRegistry(self.settings)
        version = ensure_champion(self.settings, registry)
        return version, registry.download(version)

    def work(self, number: int, report: Report) -> None:
        """A day of all users with the champion; their events arrive in Postgres."""
        version, folder = self.champion()
        self._work("users", self.plan.day(number), {version.served_name: folder}, {}, report)

    def lessons(self, number: int) -> Path:
        """Harvest a day and choose what its night learns; a file of EXAMPLES."""
        day = self.plan.day(number)
        harvested = harvest(day, self.settings)
        assembled = assemble(day, self.settings)
        kept = self.folder / f"lessons-{number}.parquet"
        shutil.copyfile(folder_of(self.settings, day) / "train.parquet", kept)
        self.nights.append({"day": day.isoformat(), "rows": harvested.rows, "lessons": assembled.train_rows})
        return kept

    def night(self, number: int, report: Report) -> Path:
        """Train, and let the challenger earn its place with the early risers; gives the champion's checkpoint."""
        day = self.plan.day(number)
        train.finetune(day, self.settings, report)
        train.evaluate(day, self.settings, report)
        trained = train.register(day, self.settings)
        dawn = datetime.combine(day + timedelta(days=1), DAWN)
        decision = promote.step(self.settings, self.url, now=dawn)
        if decision.entry.plan.decision == "advance":
            self._try_out(number + 1, decision.entry.plan, report)
            looked = dawn + timedelta(hours=GATE.look_hours, minutes=1)
            decision = promote.step(self.settings, self.url, now=looked)
        self.nights[number] |= {
            "better": trained.better,
            "judgement": trained.reason,
            "decision": decision.entry.plan.decision,
            "reason": decision.entry.plan.reason,
        }
        return self.champion()[1]

    def _try_out(self, number: int, plan: RolloutPlan, report: Report) -> None:
        """The dawn of a day: the early risers work, each with the model that the rollout deals to him."""
        registry = MlflowRegistry(self.settings)
        champion, challenger = (registry.version(str(number)) for number in (plan.champion, plan.challenger))
        models = {version.served_name: registry.download(version) for version in (champion, challenger)}
        has_it = {
            user.user_id: position(str(plan.rollout_id), user.user_id) < plan.share_after for user in self.teams.early
        }
        serves = {user: (challenger if has else champion).served_name for user, has in has_it.items()}
        self._work("early", self.plan.day(number), models, serves, report)

    def _work(
        self, team: str, day: date, models: Mapping[str, Path], serves: Mapping[str, str], report: Report
    ) -> None:
        from echo_ops.events.load import load

        out = self.folder / f"events-{team}-{day}.parquet"
        serving.work(self.plan, team, day, models, serves, out, report)
        load(self.url, [out])
        out.unlink()

"""A night's training, step by step: examples → train.parquet → checkpoint → scores → challenger in MLflow.

::

    assemble ─► finetune ─► evaluate ─► register

Everything of a night lies in ``<home>/training/<day>``; each step reads the files of the one before it and replaces its
own, so it can be killed and run again. The users' code in that folder is removed when the night is registered.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from echo_ops.errors import InputError
from echo_ops.lake.tables import Lake
from echo_ops.pipeline.assemble import assemble, compared_on
from echo_ops.pipeline.night_folder import folder_of, get, put
from echo_ops.pipeline.replacing import replacing
from echo_ops.settings import Settings
from echo_ops.training.progress import Report, silent


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a night. Written by ``register``."""

    day: str
    evaluation_rows: int
    champion: dict[str, Any]
    challenger: dict[str, Any]
    better: bool
    reason: str
    registered: dict[str, Any] | None  # {"name", "version"}; None where the challenger was not better
    comparison: dict[str, Any] = field(default_factory=dict)  # see compare.Comparison; empty for nights of before it
    infilling: dict[str, Any] | None = None  # see infilling.Guard; None where no benchmark is named
    compared_on: str = ""  # days and users, see assemble.compared_on; empty for nights of before it


def last_published(settings: Settings) -> date:
    """The last day in the lake.

    Raises:
        InputError: there is none.
    """
    days = Lake(settings.lake_uri).days()
    if not days:
        raise InputError(
            f"no day is published in the lake at {settings.lake_uri}; run echo-ops harvest --day DAY first"
        )
    return days[-1]


def finetune(day: date, settings: Settings, report: Report = silent) -> None:
    """Fine-tune the champion on the night's lessons, in a process of its own.

    Run again after a kill, it follows the process that is still at work, or goes on from its last checkpoint: with the
    champion that the night began with, also where another one serves by now.
    """
    from echo_ops.pipeline.champion import ensure_champion
    from echo_ops.pipeline.nightly import followed, nested
    from echo_ops.rollout.registry import MlflowRegistry
    from echo_ops.training.finetune import FinetuneSpec, launch

    folder = folder_of(settings, day)
    registry = MlflowRegistry(settings)
    before = folder / "champion.json"
    champion = registry.version(get(before)["version"]) if before.exists() else ensure_champion(settings, registry)
    with replacing(before) as written:
        written.write_text(json.dumps({"version": champion.version}))
    static = folder / "static.parquet"
    spec = FinetuneSpec(
        model=str(registry.download(champion)),
        examples=str(folder / "train.parquet"),
        out=str(folder / "checkpoint"),
        training=settings.training,
        static=str(static) if static.exists() else None,
    )
    with nested(folder, settings, "finetune") as opened, followed(opened, report) as tell:
        put(folder / "finetuned.json", launch(spec, tell))


def evaluate(day: date, settings: Settings, report: Report = silent) -> None:
    """Let champion and challenger complete the same held-out requests, and a static benchmark where one is named."""
    from echo_ops.pipeline.evaluation import evaluate_both

    folder = folder_of(settings, day)
    evaluate_both(folder, get(folder / "champion.json")["version"], settings, report)


def register(day: date, settings: Settings) -> Trained:
    """Compare, write all of it to MLflow, and register the checkpoint as challenger when it is better.

    Run again after a kill it goes on with the same MLflow run; the same checkpoint is never registered twice.
    """
    from echo_ops.pipeline.evaluation import judge
    from echo_ops.pipeline.nightly import lineage, nightly, tell_data
    from echo_ops.pipeline.papers import write_card
    from echo_ops.rollout.registry import MlflowRegistry
    from echo_ops.rollout.tracking import code_version

    folder = folder_of(settings, day)
    if (folder / "trained.json").exists():
        return result_of(settings, day)
    assembled, finetuned, before = (get(folder / f"{name}.json") for name in ("assembled", "finetuned", "champion"))
    judged = judge(folder, settings)
    comparison, measured = judged.comparison, judged.measured
    registry, version = MlflowRegistry(settings), None
    with nightly(folder, settings) as opened:
        opened.params(settings.training.model_dump(mode="json") | {"base": before["version"]})
        for who, figures in measured.items():
            opened.metrics(figures, prefix=f"{who}.")
        opened.metrics(judged.metrics())
        tell_data(opened, assembled, settings)
        for name, content in (("comparison", asdict(comparison)), ("assembled", assembled), ("finetuned", finetuned)):
            opened.json(f"{name}.json", content)
        if comparison.better:
            metrics = {
                f"challenger.{name}": value for name, value in measured["challenger"].items() if value is not None
            }
            tags = lineage(folder, settings) | code_version()
            version = registry.register(folder / "checkpoint", run_id=opened.run_id, tags=tags, metrics=metrics)
            registry.set_alias("challenger", version)
        write_card(opened, folder, judged, settings, registry, version)
    trained = Trained(
        day=day.isoformat(),
        evaluation_rows=comparison.requests,
        better=comparison.better,
        reason=comparison.reason,
        registered=None if version is None else {"name": version.name, "version": version.version},
        comparison=asdict(comparison),
        infilling=None if judged.guard is None else asdict(judged.guard),
        compared_on=compared_on(assembled),
        **measured,
    )
    put(folder / "trained.json", trained)
    for text in folder.glob("*.parquet"):
        text.unlink()
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return trained


def train(day: date, settings: Settings, report: Report = silent) -> Trained:
    """All steps of a night, one after the other."""
    assemble(day, settings)
    finetune(day, settings, report)
    evaluate(day, settings, report)
    return register(day, settings)


def result_of(settings: Settings, day: date) -> Trained:
    """What came of a night that was registered.

    Raises:
        InputError: there is none.
    """
    with suppress(FileNotFoundError):
        return Trained(**json.loads((folder_of(settings, day) / "trained.json").read_text()))
    raise InputError(f"no training to {day} was registered; run echo-ops train --day {day}")

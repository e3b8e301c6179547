"""Checkpoints that answer: a team's day of work with them, and what they propose to the panel.

Also a program, ``python -m echo_ops.pipeline.loop.serving SPEC.json`` (see ``training.progress``), so that several
models work side by side and none stays in memory.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.pipeline.loop import panel
from echo_ops.pipeline.loop.plan import PROPOSED_TOKENS, TRAINING, Plan
from echo_ops.pipeline.loop.teams import teams
from echo_ops.settings import Training
from echo_ops.simulate.proposals import Asked
from echo_ops.training.progress import Progress, Report, run_apart, serve, silent

MODULE = "echo_ops.pipeline.loop.serving"


class Checkpoint:
    """A model that completes, greedily, in batches, and with healed tokens: as it was trained."""

    def __init__(self, folder: str) -> None:
        from echo_ops.training.generation import TransformersGenerator

        self._training = Training(**TRAINING)
        self._generator = TransformersGenerator(folder, self._training)

    def complete(self, contexts: Sequence[tuple[str, str]]) -> list[str]:
        """The proposal at each (prefix, suffix)."""
        import torch

        from echo_ops.training.device import best_device
        from echo_ops.training.generation import Asked as Prompt

        layout = self._generator.layout
        asked = [Prompt.at_caret(*context, layout, self._training) for context in contexts]
        found = [""] * len(asked)
        device = best_device()
        with torch.autocast(device.name, torch.bfloat16, enabled=device.bf16):
            for index, answer in self._generator.answer(asked, PROPOSED_TOKENS):
                found[index] = asked[index].proposal(answer, layout)
        return found


class Served:
    """A proposer: each request goes to the model that serves its user."""

    def __init__(self, models: Mapping[str, Checkpoint]) -> None:
        self._models = models

    def propose(self, asked: Sequence[Asked]) -> list[str | None]:
        answers: dict[str, str] = {}
        for version, model in self._models.items():
            mine = [one for one in asked if one.model_version == version]
            texts = model.complete([(one.prefix, one.suffix) for one in mine]) if mine else []
            answers |= {one.request_id: text for one, text in zip(mine, texts, strict=True)}
        return [answers[one.request_id] or None for one in asked]


def work(
    plan: Plan,
    team: str,
    day: date,
    models: Mapping[str, Path],
    serves: Mapping[str, str],
    out: Path,
    report: Report = silent,
) -> None:
    """A team's day with the models that serve it, in a process of its own; its events go to ``out``.

    Args:
        team: ``users`` or ``early``.
        models: version → folder of the checkpoint.
        serves: user → version; who is not named is served by the only model.
    """
    spec = {"task": "work", "team": team, "day": day.isoformat(), "serves": dict(serves), "out": str(out)}
    _apart(plan, spec, models, report)


def measure(plan: Plan, model: Path, asked: Path, out: Path, report: Report = silent) -> None:
    """What a panel does with a model's proposals, in a process of its own: from REQUESTS to ANSWERS."""
    _apart(plan, {"task": "measure", "asked": str(asked), "out": str(out)}, {"": model}, report)


def _apart(plan: Plan, spec: dict[str, Any], models: Mapping[str, Path], report: Report) -> None:
    folders = {version: str(folder) for version, folder in models.items()}
    run_apart(MODULE, {**spec, "plan": asdict(plan), "models": folders}, report, threads=1)


def _main(spec: dict[str, Any], report: Report) -> dict[str, Any]:
    plan = Plan.from_dict(spec["plan"])
    models = {version: Checkpoint(folder) for version, folder in spec["models"].items()}
    if spec["task"] == "measure":
        (model,) = models.values()
        asked = pq.read_table(spec["asked"])
        contexts = list(zip(asked["prefix"].to_pylist(), asked["suffix"].to_pylist(), strict=True))
        pq.write_table(panel.answers(asked, model.complete(contexts)), spec["out"])
        return {}
    return _work(plan, spec, models, report)


def _work(plan: Plan, spec: dict[str, Any], models: Mapping[str, Checkpoint], report: Report) -> dict[str, Any]:
    from echo_ops.simulate.simulate import simulate

    team = getattr(teams(plan), spec["team"])
    usual = next(iter(models))
    sessions = simulate(
        days=1,
        users=len(team),
        seed=plan.seed,
        start=date.fromisoformat(spec["day"]),
        team=team,
        scale=plan.work if spec["team"] == "users" else plan.early_work,
        model_of=lambda user, _day: spec["serves"].get(user, usual),
        proposer=Served(models),
        together=len(team),
    )
    tables: list[pa.Table] = []
    for session in sessions:
        tables.append(session.events)
        report(Progress("work", len(tables), len(team)))
    events = pa.concat_tables(tables)
    pq.write_table(events, spec["out"], compression="zstd")
    return {"events": events.num_rows}


if __name__ == "__main__":
    sys.exit(serve(_main))

"""A night's evaluation: both models complete the same requests, here or behind vLLM, and are judged."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.settings import Settings
from echo_ops.training import compare, infilling
from echo_ops.training.evaluate import EvaluationSpec, launch, work
from echo_ops.training.progress import Progress, Report
from echo_ops.training.sandbox import Limits, must_work
from echo_ops.training.scores import summarise

CLUSTERS = ["request_id", "user_id", "repository", "document_id"]
"""What tells which held-out requests resemble each other."""

MODELS = ("champion", "challenger")


@dataclass(frozen=True, slots=True)
class Judged:
    """What an evaluation says. Written by ``judge``; read by ``train.register`` and the model card."""

    comparison: compare.Comparison
    measured: dict[str, dict[str, Any]]  # model → see scores.summarise
    guard: infilling.Guard | None  # None where no benchmark is named

    def metrics(self) -> dict[str, float | None]:
        """Beside the figures of both: ``difference.kept_rate.low``, ``challenger.language.python.kept_rate`` …"""
        found: dict[str, float | None] = {}
        for name, compared in self.comparison.figures.items():
            found |= _ends(f"difference.{name}", compared.difference)
        for one in self.comparison.slices:
            place = f"{one.by}.{re.sub(r'[^A-Za-z0-9_. -]', '_', one.value)}"
            for name, compared in one.figures.items():
                found |= {f"{who}.{place}.{name}": getattr(compared, who) for who in MODELS}
        if self.guard is not None:
            found |= {f"{who}.infilling": getattr(self.guard, who) for who in MODELS}
            found |= _ends("difference.infilling", self.guard.difference)
        return found


def evaluate_both(folder: Path, version: str, settings: Settings, report: Report) -> None:
    """Write the SCORES, proposals and completions of both models into a night's folder.

    Args:
        folder: the night's, with ``evaluation.parquet`` and ``checkpoint``.
        version: of the champion.
        settings: ``training`` and ``evaluation`` count here.
        report: is told of the requests that are done.

    Raises:
        InputError, TrainingError: as ``launch``; the former also where code is to be run and cannot be isolated.
        TeacherError: the server is gone, or serves other models.
    """
    from echo_ops.pipeline.nightly import nested
    from echo_ops.pipeline.served import served
    from echo_ops.rollout.registry import MlflowRegistry, hash_of_checkpoint

    asked = settings.evaluation
    (folder / "infilling.json").unlink(missing_ok=True)  # of a try with other settings
    problems = [] if asked.infilling is None else infilling.read(asked.infilling)
    if problems:
        must_work()  # before anything is paid for
    registry = MlflowRegistry(settings)
    champion, checkpoint = registry.version(version), folder / "checkpoint"
    names = {"champion": champion.served_name, "challenger": f"{champion.name}/{hash_of_checkpoint(checkpoint)[:12]}"}
    passed = {}
    for who, model in (("champion", registry.download(champion)), ("challenger", checkpoint)):

        def tell(progress: Progress, who: str = who) -> None:
            report(replace(progress, phase=f"{progress.phase} {who}"))

        files = str(model), str(folder / "evaluation.parquet"), str(folder / f"{who}.parquet")
        named = None if asked.infilling is None else str(asked.infilling.absolute())
        spec = EvaluationSpec(*files, settings.training, named, asked.infilling_tokens)
        with nested(folder, settings, f"evaluate {who}") as opened:
            # tags, not params: a step that is run again may have another checkpoint, and params never change
            opened.tags({"echo.model": names[who], "echo.engine": "transformers" if asked.url is None else "vllm"})
            if asked.url is None:
                launch(spec, tell)
            else:
                with served(asked.server, names["champion"], names[who], model) as generator:
                    work(spec, tell, generator)
            opened.metrics(summarise(pq.read_table(spec.out)))
        if problems:
            passed[who] = infilling.passed(problems, json.loads(spec.completions.read_text()), Limits())
    if problems:
        guard = infilling.guard(problems, passed["champion"], passed["challenger"], settings.training.seed)
        (folder / "infilling.json").write_text(json.dumps(asdict(guard)))


def judge(folder: Path, settings: Settings) -> Judged:
    """Compare what ``evaluate_both`` has left. A challenger that forgets, beyond chance, is not better."""
    scores = {who: pq.read_table(folder / f"{who}.parquet") for who in MODELS}
    held_out = pq.read_table(folder / "evaluation.parquet", columns=CLUSTERS)
    groups = {"user": _known_users(held_out, pq.read_table(folder / "train.parquet", columns=["user_id"]))}
    found = compare.compare(
        scores["champion"], scores["challenger"], compare.clusters_of(held_out), settings.training.seed, groups
    )
    guard = None
    if (folder / "infilling.json").exists():
        guard = infilling.Guard.from_dict(json.loads((folder / "infilling.json").read_text()))
        if found.better and guard.forgotten:
            reason = f"it forgets: passes of {guard.problems} static problems {guard.difference}, though {found.reason}"
            found = replace(found, better=False, reason=reason)
    return Judged(found, {who: summarise(table) for who, table in scores.items()}, guard)


def _known_users(held_out: pa.Table, learned: pa.Table) -> dict[str, str]:
    """Of each held-out request, whether its user's lessons in other repositories were learned."""
    users = set(learned["user_id"].to_pylist())
    requests = zip(held_out["request_id"].to_pylist(), held_out["user_id"].to_pylist(), strict=True)
    return {request: "learned from" if user in users else "new" for request, user in requests}


def _ends(name: str, difference: compare.Difference | None) -> dict[str, float | None]:
    if difference is None:
        return {}
    return {name: difference.value, f"{name}.low": difference.low, f"{name}.high": difference.high}

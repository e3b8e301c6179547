"""The papers of a challenger: its card and plots, in the night's run and with the registered version."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from echo_ops.lake.tables import Lake
from echo_ops.pipeline import plots
from echo_ops.pipeline.card import card, samples, summary
from echo_ops.pipeline.evaluation import MODELS, Judged
from echo_ops.pipeline.harvest import published
from echo_ops.pipeline.manifest import add
from echo_ops.pipeline.night_folder import get
from echo_ops.settings import Settings

if TYPE_CHECKING:
    from echo_ops.rollout.registry import MlflowRegistry, ModelVersion
    from echo_ops.rollout.tracking import Run

SECTIONS = ("training", "curation")
"""Settings that a card shows: what shaped the model. Others name places."""


def write_card(
    opened: Run,
    folder: Path,
    judged: Judged,
    settings: Settings,
    registry: MlflowRegistry,
    version: ModelVersion | None,
) -> None:
    """Write ``model_card.md`` and its plots into a run; its head becomes the description of the version.

    Args:
        opened: the night's run.
        folder: the night's.
        judged: its evaluation.
        settings: of the night.
        registry: where the version is.
        version: None where the challenger was not registered.
    """
    assembled, finetuned = (get(folder / f"{name}.json") for name in ("assembled", "finetuned"))
    days = [date.fromisoformat(day) for day in assembled["days"]]
    drawn = folder / "plots"
    drawn.mkdir(exist_ok=True)
    _draw(drawn, judged, finetuned, settings, days, assembled["versions"])
    number, shown = settings.evaluation.samples, []
    if number:
        proposals = {
            who: dict(zip(*pq.read_table(folder / f"{who}.proposals.parquet").to_pydict().values(), strict=True))
            for who in MODELS
        }
        columns = ["request_id", "language", "prefix", "lesson"]
        shown = samples(pq.read_table(folder / "evaluation.parquet", columns=columns), proposals, number)
    shaping = json.loads(settings.shaping())
    head = summary(folder.name, judged, None if version is None else version.served_name)
    images = sorted(path.name for path in drawn.glob("*.png"))
    dropped = add(manifest.dropped for manifest in published(settings, days).values())
    sections = {name: shaping[name] for name in SECTIONS}
    opened.text("model_card.md", card(head, judged, assembled, finetuned, dropped, sections, shown, images))
    for image in images:
        opened.file(drawn / image, "plots")
    if version is not None:
        where = f"\nThe whole card: artifact `model_card.md` of run `{opened.run_id}`.\n"
        registry.describe(version, head + where)


def _draw(
    folder: Path,
    judged: Judged,
    finetuned: dict[str, Any],
    settings: Settings,
    days: list[date],
    versions: dict[str, int],
) -> None:
    if finetuned["losses"]:
        plots.loss(finetuned["losses"], folder / "loss.png")
    if any(one.by == "length" and one.value != "0" for one in judged.comparison.slices):
        plots.kept_by_length(judged.comparison.slices, folder / "kept_by_length.png")
    accepted = plots.acceptance(Lake(settings.lake_uri), days, versions.get("lifecycles"))
    if accepted:
        plots.acceptance_by_day(accepted, folder / "acceptance_by_day.png")

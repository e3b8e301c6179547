"""A night in MLflow: one run, ``nightly DAY``, and below it a run for each part that takes long.

::

    nightly 2026-11-04
    ├── finetune               loss and tokens while it is at work
    ├── evaluate champion      its figures
    └── evaluate challenger

The ids are kept in the night's folder, so that a step that is run again goes on with the same runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from echo_ops.settings import Settings
from echo_ops.training.progress import Progress, Report

if TYPE_CHECKING:
    from echo_ops.rollout.tracking import Run

RUNS = "runs.json"


@contextmanager
def nightly(folder: Path, settings: Settings) -> Iterator[Run]:
    """The night's run, made or gone on with; with the tags that say what it rests on, as far as is known.

    Args:
        folder: the night's, named by its day; ``assembled.json`` lies in it.
        settings: where MLflow is.

    Raises:
        UnavailableError: MLflow does not answer.
    """
    from echo_ops.rollout.tracking import run

    ids = _read(folder / RUNS)
    with run(settings, f"nightly {folder.name}", lineage(folder, settings), ids.get("nightly")) as opened:
        (folder / RUNS).write_text(json.dumps(ids | {"nightly": opened.run_id}))
        yield opened


@contextmanager
def nested(folder: Path, settings: Settings, name: str) -> Iterator[Run]:
    """A run below the night's; both end when the block does, and fail when it does."""
    from echo_ops.rollout.tracking import run

    with nightly(folder, settings) as night:
        ids = _read(folder / RUNS)
        with run(settings, name, {"echo.day": folder.name}, ids.get(name), night.run_id) as opened:
            (folder / RUNS).write_text(json.dumps(ids | {name: opened.run_id}))
            yield opened


@contextmanager
def followed(opened: Run, report: Report) -> Iterator[Report]:
    """A report that also writes loss and tokens into a run, every few seconds and at the end."""
    from echo_ops.rollout.tracking import Live

    live = Live(opened)

    def tell(progress: Progress) -> None:
        if progress.loss is not None:
            live.add(progress.done, {"train.loss": progress.loss, "train.tokens": progress.tokens or None})
        report(progress)

    try:
        yield tell
    finally:
        live.send()


def lineage(folder: Path, settings: Settings) -> dict[str, str]:
    """What a night rests on, as tags: versions of the lake's tables, day, champion, settings."""
    assembled, before = _read(folder / "assembled.json"), _read(folder / "champion.json")
    tags = {f"echo.lake.{table}": str(version) for table, version in assembled.get("versions", {}).items()}
    tags |= {"echo.day": folder.name, "echo.settings": settings.digest()}
    return tags | ({"echo.champion": before["version"]} if before else {})


def tell_data(opened: Run, assembled: dict[str, Any], settings: Settings) -> None:
    """The rows that went in, as inputs of a run."""
    contexts: dict[str, Literal["training", "evaluation"]] = {"train": "training", "evaluation": "evaluation"}
    for rows, context in contexts.items():
        opened.dataset(
            f"examples {rows} to {assembled['day']}",
            uri=f"{settings.lake_uri}/examples",
            table_version=assembled["versions"]["examples"],
            digest=assembled[f"{rows}_hash"],
            rows=assembled[f"{rows}_rows"],
            context=context,
        )


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found

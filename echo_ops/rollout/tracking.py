"""A training as a run in MLflow: parameters, metrics, the data it saw, and what it left."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from echo_ops.errors import UnavailableError
from echo_ops.rollout.mlflow_store import connect, experiment, log_metrics, translated
from echo_ops.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARENT = "mlflow.parentRunId"
"""Tag that nests a run."""

MAX_METRICS = 1000
"""Metrics that MLflow takes at once."""

MAX_DIGEST = 36
"""Characters of a dataset's digest that MLflow keeps."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is open. Every method raises UnavailableError when MLflow does not answer."""

    run_id: str
    _client: MlflowClient
    _settings: Settings

    def params(self, values: Mapping[str, object]) -> None:
        """What the training was told. MLflow refuses another value for a name that it has."""
        from mlflow.entities import Param

        with translated(self._settings):
            self._client.log_batch(self.run_id, params=[Param(name, str(value)) for name, value in values.items()])

    def metrics(self, values: Mapping[str, float | None], step: int = 0, prefix: str = "") -> None:
        """What was measured: by step while it trains, ``prefix="champion."`` and ``"challenger."`` in an evaluation.

        What is None (nothing to measure it on) is left out.
        """
        measured = {prefix + name: value for name, value in values.items() if value is not None}
        with translated(self._settings):
            log_metrics(self._client, self.run_id, measured, step)

    def series(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Metrics of many steps at once: name, step, value."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for first in range(0, len(points), MAX_METRICS):
            some = points[first : first + MAX_METRICS]
            with translated(self._settings):
                self._client.log_batch(
                    self.run_id, metrics=[Metric(name, value, now, step) for name, step, value in some]
                )

    def dataset(
        self,
        name: str,
        *,
        uri: str,
        table_version: int,
        digest: str,
        rows: int,
        context: Literal["training", "evaluation"],
    ) -> None:
        """Rows that went in: of a Delta table, at a version, with the hash of what was taken from it."""
        from mlflow.data.delta_dataset_source import DeltaDatasetSource
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = DeltaDatasetSource(path=uri, delta_table_version=table_version)
        data = Dataset(
            name=name,
            digest=digest[:MAX_DIGEST],
            source_type="delta_table",
            source=source.to_json(),
            profile=json.dumps({"num_rows": rows}),
        )
        with translated(self._settings):
            tags = [InputTag("mlflow.data.context", context)]
            self._client.log_inputs(self.run_id, [DatasetInput(data, tags)])

    def tags(self, values: Mapping[str, str]) -> None:
        """Facts to find the run by."""
        from mlflow.entities import RunTag

        with translated(self._settings):
            self._client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in values.items()])

    def json(self, name: str, content: Mapping[str, Any]) -> None:
        """An artifact ``<name>``, e.g. ``comparison.json``; never with users' code in it."""
        with translated(self._settings):
            self._client.log_dict(self.run_id, dict(content), name)

    def text(self, name: str, content: str) -> None:
        """A text as an artifact, e.g. ``model_card.md``."""
        with translated(self._settings):
            self._client.log_text(self.run_id, content, name)

    def file(self, path: Path, folder: str | None = None) -> None:
        """A file of this machine as an artifact."""
        with translated(self._settings):
            self._client.log_artifact(self.run_id, str(path), folder)


class Live:
    """Metrics of a run while it is at work, a batch every so often: no step waits for MLflow.

    Where MLflow does not answer, the points are kept and sent with the next: a training is worth more than its curve.
    """

    def __init__(self, opened: Run, seconds: float = 10.0) -> None:
        self._run, self._seconds = opened, seconds
        self._points: list[tuple[str, int, float]] = []
        self._sent = -math.inf

    def add(self, step: int, values: Mapping[str, float | None]) -> None:
        """What was measured at a step."""
        self._points += [(name, step, float(value)) for name, value in values.items() if value is not None]
        if time.monotonic() - self._sent >= self._seconds:
            self.send()

    def send(self) -> None:
        """What is not sent yet; also at the end."""
        self._sent = time.monotonic()
        with suppress(UnavailableError):
            self._run.series(self._points)
            self._points = []


@contextmanager
def run(
    settings: Settings, name: str, tags: Mapping[str, str], resume: str | None = None, parent: str | None = None
) -> Iterator[Run]:
    """A run that is finished when the block ends well, failed when it does not, killed when it is interrupted.

    Args:
        settings: where MLflow is, and which experiment.
        name: what people see, e.g. ``nightly 2026-11-04``.
        tags: facts to find it by; the code's version and git commit are added.
        resume: id of a run to go on with, so that several tasks, or a retry, write to one.
        parent: id of the run that this one is a part of; MLflow shows it below.

    Raises:
        InputError: the experiment was deleted.
        UnavailableError: MLflow does not answer, or does not know the run to resume.
    """
    client = connect(settings)
    tags = {**tags, **({PARENT: parent} if parent else {})}
    if resume is None:
        where = experiment(settings, client)
        with translated(settings):
            run_id = client.create_run(where, tags={**tags, **code_version()}, run_name=name).info.run_id
    else:
        run_id = resume
        with translated(settings):
            client.update_run(run_id, status="RUNNING")
    opened = Run(run_id, client, settings)
    status = "KILLED"
    try:
        if resume is not None:
            opened.tags({**tags, **code_version()})
        yield opened
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        _end(opened, status)


def code_version() -> dict[str, str]:
    """Tags for the package's version, and its git commit where it runs from a checkout."""
    tags = {"echo.version": version("echo-ops")}
    here = Path(__file__).resolve()
    with suppress(OSError, subprocess.CalledProcessError):
        # ls-files: a package installed below somebody else's repository is not at that repository's commit.
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        tags["mlflow.source.git.commit"] = _git(here.parent, "rev-parse", "HEAD")
    return tags


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()


def _end(opened: Run, status: str) -> None:
    if status == "FINISHED":
        with translated(opened._settings):
            opened._client.set_terminated(opened.run_id, status)
        return
    # What made the run fail must be heard, not that MLflow could not be told of it.
    with suppress(UnavailableError), translated(opened._settings):
        opened._client.set_terminated(opened.run_id, status)

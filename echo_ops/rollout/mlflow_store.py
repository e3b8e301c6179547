"""The way to MLflow: a client of the server or database that the settings name, quiet, and with errors of ours."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from echo_ops.errors import InputError, UnavailableError
from echo_ops.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # The defaults, 7 and 2, are four minutes of silence before a server that is down is said to be.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""Defaults of ours for MLflow's own variables; what the environment sets comes first."""


VARIABLE = "ECHO_MLFLOW_TRACKING_URI"


class Absent(InputError):
    """MLflow answered that there is no such thing."""


def connect(settings: Settings) -> MlflowClient:
    """A client for tracking and registry; the folder of a SQLite database is made where it is missing.

    Sets MLflow's global URIs too: its registry resolves ``models:/m-…`` through them, whatever the client was given.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    logging.getLogger("alembic").setLevel(logging.WARNING)
    uri = settings.tracking_uri
    with translated(settings):
        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        return mlflow.MlflowClient(uri, uri)


def experiment(settings: Settings, client: MlflowClient) -> str:
    """Id of the experiment of the nightly runs, made where it is missing.

    A server says itself where artifacts go. Without one they go to ``<home>/mlflow/artifacts``, as an absolute URI, so
    that a server started later on the same database finds them from any folder.

    Raises:
        InputError: the experiment was deleted.
    """
    name = settings.mlflow.experiment
    with translated(settings):
        found = client.get_experiment_by_name(name)
        if found is None:
            served = settings.tracking_uri.startswith(("http://", "https://"))
            location = None if served else (settings.home.absolute() / "mlflow" / "artifacts").as_uri()
            return str(client.create_experiment(name, artifact_location=location))
        if found.lifecycle_stage == "deleted":
            raise InputError(
                f"experiment {name} was deleted in MLflow; restore it (mlflow experiments restore "
                f"--experiment-id {found.experiment_id}), or set ECHO_MLFLOW_EXPERIMENT to another name"
            )
        return str(found.experiment_id)


def log_metrics(
    client: MlflowClient, run_id: str, values: Mapping[str, float], step: int = 0, model_id: str | None = None
) -> None:
    """Write metrics of one step to a run, joined to a logged model where one is given."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    client.log_batch(
        run_id, [Metric(name, float(value), now, step, model_id=model_id) for name, value in values.items()]
    )


@contextmanager
def translated(settings: Settings) -> Iterator[None]:
    """Errors of MLflow in the block, told as ours: one line, without a password.

    Raises:
        Absent: what was asked for does not exist.
        UnavailableError: everything else; MLflow does not tell apart what would work on a retry.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise Absent(_line(error)) from None
        raise _unavailable(settings, error) from error
    except (OSError, SQLAlchemyError) as error:
        raise _unavailable(settings, error) from error


def _unavailable(settings: Settings, error: Exception) -> UnavailableError:
    uri = settings.tracking_uri
    shown, text = _without_password(uri), str(error)
    if "Max retries exceeded" in text:  # what follows is the whole nesting of the HTTP library
        reason = "Connection refused" if "Connection refused" in text else type(error.__cause__ or error).__name__
        return UnavailableError(f"MLflow at {shown} does not answer: {reason}; start it, or check {VARIABLE}")
    reason = _line(error).replace(uri, shown)
    return UnavailableError(f"MLflow at {shown} failed: {reason}; check that it runs, or {VARIABLE}")


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    return parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@")).geturl()


def _line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]

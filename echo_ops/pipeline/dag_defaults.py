"""What DAGs' tasks have in common: who is told of a failure, what another try would only repeat, and where GPUs are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from echo_ops.errors import BudgetError, InputError, QualityError, TrainingError
from echo_ops.pipeline.alerts import dag_failed
from echo_ops.settings import load

HOPELESS = (InputError, QualityError, BudgetError, TrainingError)
"""Errors that stand however often a task is tried; with a budget, each try would spend it once more."""


def task_defaults(retries: int, minutes: float) -> dict[str, Any]:
    """``default_args`` of a DAG.

    Args:
        retries: tries after the first, for what is not ``HOPELESS``.
        minutes: between two tries.
    """
    from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

    give_up = RetryRule(exception=list(HOPELESS), action=RetryAction.FAIL, reason="another try would fail too")
    return {
        "retries": retries,
        "retry_delay": timedelta(minutes=minutes),
        "retry_policy": ExceptionRetryPolicy(rules=[give_up]),
        "on_failure_callback": dag_failed,
    }


def on_gpu() -> dict[str, Any]:
    """Where Airflow runs a task that needs a GPU, as the settings say: by default where all others run."""
    training = load().training
    placed: dict[str, Any] = {"queue": training.queue, "executor": training.executor}
    if training.pod_template is not None:
        placed["executor_config"] = {"pod_template_file": str(training.pod_template.absolute())}
    return {name: value for name, value in placed.items() if value is not None}

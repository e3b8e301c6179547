"""What every DAG's tasks have in common: who is told of a failure, and which failures another try would only repeat."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from echo_ops.errors import BudgetError, InputError, QualityError, TrainingError
from echo_ops.pipeline.alerts import dag_failed

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

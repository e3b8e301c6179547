"""
### Train a challenger

Every night, on its own schedule: takes the lessons of the window of days that ends with the last day, with a share of
older ones against forgetting, fine-tunes the champion on them, evaluates champion and challenger on the same held-out
requests, and registers the checkpoint in MLflow with the alias `challenger` when it is better. Waits until the day is
harvested. A backfill of this DAG is refused: backfills harvest, they never train.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    CronPartitionTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    dag,
    get_current_context,
    task,
)

from echo_ops.errors import InputError, TrainingError
from echo_ops.pipeline.alerts import dag_failed

HOPELESS = ExceptionRetryPolicy(
    rules=[RetryRule(exception=[TrainingError, InputError], action=RetryAction.FAIL, reason="a retry would fail too")]
)


@dag(
    schedule=CronPartitionTimetable("0 5 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 1,
        "retry_delay": timedelta(minutes=5),
        "retry_policy": HOPELESS,
        "on_failure_callback": dag_failed,
    },
    params={"day": Param(None, type=["null", "string"], format="date", description="last day of the window, by hand")},
    doc_md=__doc__,
    tags=["echo"],
)
def echo_train() -> None:
    @task
    def resolve_day() -> str:
        from echo_ops.pipeline import day

        return day.resolve(get_current_context(), backfill=False).isoformat()

    @task.sensor(poke_interval=300, timeout=12 * 3600, mode="reschedule")
    def wait_for_harvest(day: str) -> bool:
        from echo_ops.pipeline import tasks

        return tasks.is_published(day)

    @task
    def assemble(day: str) -> dict[str, Any]:
        from echo_ops.pipeline import tasks

        return tasks.assemble(day)

    @task
    def finetune(day: str) -> None:
        from echo_ops.pipeline import tasks

        tasks.finetune(day)

    @task
    def evaluate(day: str) -> None:
        from echo_ops.pipeline import tasks

        tasks.evaluate(day)

    @task
    def register(day: str) -> dict[str, Any]:
        from echo_ops.pipeline import tasks

        return tasks.register(day)

    day = resolve_day()
    wait_for_harvest(day) >> assemble(day) >> finetune(day) >> evaluate(day) >> register(day)


echo_train()

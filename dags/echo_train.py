"""
### Train a challenger

Every night, on its own schedule: takes the lessons of the window of days that ends with the last day, with a share of
older ones against forgetting, fine-tunes the champion on them, evaluates champion and challenger on the same held-out
requests, and registers the checkpoint in MLflow with the alias `challenger` when it is better. Waits until the day is
harvested. Fine-tuning and evaluation run where `ECHO_TRAINING_QUEUE`, `…_EXECUTOR` and `…_POD_TEMPLATE` say. A retry
follows a fine-tuning that is still at work, or goes on from its last checkpoint. A backfill of this DAG is refused:
backfills harvest, they never train.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import (
    CronPartitionTimetable,
    Param,
    dag,
    get_current_context,
    task,
)

from echo_ops.pipeline.dag_defaults import on_gpu, task_defaults


@dag(
    schedule=CronPartitionTimetable("0 5 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(retries=1, minutes=5),
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

    @task(**on_gpu())
    def finetune(day: str) -> None:
        from echo_ops.pipeline import tasks

        tasks.finetune(day)

    @task(**on_gpu())
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

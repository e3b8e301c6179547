"""
### Let the challenger earn its traffic

Every quarter of an hour: reads how many proposals of champion and challenger were shown and accepted, decides
(advance, hold, roll back, promote), writes the decision and its evidence to the ledger `echo.rollouts`, and moves the
aliases in MLflow. With too little evidence it holds; a second run on the same state decides nothing twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import dag, task

from echo_ops.pipeline.dag_defaults import task_defaults


@dag(
    schedule="*/15 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(retries=2, minutes=1),
    doc_md=__doc__,
    tags=["echo"],
)
def echo_rollout() -> None:
    @task
    def step() -> dict[str, Any]:
        from echo_ops.pipeline import tasks

        return tasks.rollout_step()

    step()


echo_rollout()

"""
### Harvest a day

Reads the completion events of one day from Postgres, reconstructs what became of each request, asks the teacher where
each intent ends, curates, checks, and publishes the day in the lake. One run a day, for the day before; the run waits
for the grace hours, so that requests of the last minutes are finished too.

- **Backfill**: the form in this UI, a range of days. A day that is harvested again replaces itself; nothing doubles,
  and nothing is trained or promoted.
- **A day by hand**: trigger with `day`.
- **A stopped day** (a critical expectation failed) is not published and not retried; the page of data docs says why.
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

from echo_ops.pipeline.dag_defaults import task_defaults


@dag(
    schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=4,
    default_args=task_defaults(retries=2, minutes=2),
    params={
        "day": Param(None, type=["null", "string"], format="date", description="day to harvest, for a run by hand"),
        "wait": Param(True, type="boolean", description="wait until the day's grace hours are over"),
    },
    doc_md=__doc__,
    tags=["echo"],
)
def echo_harvest() -> None:
    @task
    def resolve_day() -> str:
        from echo_ops.pipeline import day

        return day.resolve(get_current_context()).isoformat()

    @task.sensor(poke_interval=300, timeout=36 * 3600, mode="reschedule")
    def wait_for_grace(day: str) -> bool:
        from echo_ops.pipeline import tasks

        return not get_current_context()["params"]["wait"] or tasks.is_over(day, datetime.now(UTC))

    @task
    def plan(day: str) -> list[dict[str, Any]]:
        from echo_ops.pipeline import tasks

        return tasks.plan(day)

    @task(map_index_template="{{ cut.shard }}")
    def extract(day: str, cut: dict[str, Any]) -> dict[str, Any]:
        from echo_ops.pipeline import tasks

        return tasks.extract(day, **cut)

    @task
    def check_lifecycles(day: str, extracted: list[dict[str, Any]]) -> dict[str, Any]:
        from echo_ops.pipeline import tasks

        return tasks.check(day, "lifecycles", extracted)

    @task
    def judge(day: str, extracted: dict[str, Any]) -> dict[str, Any]:
        from echo_ops.pipeline import tasks

        return tasks.judge(day, extracted)

    @task
    def curate(day: str, judged: list[dict[str, Any]]) -> list[dict[str, Any]]:
        from echo_ops.pipeline import tasks

        return tasks.curate(day, judged)

    @task
    def check_examples(day: str, curated: list[dict[str, Any]]) -> dict[str, Any]:
        from echo_ops.pipeline import tasks

        return tasks.check(day, "examples", curated)

    @task
    def publish(
        day: str,
        extracted: list[dict[str, Any]],
        judged: list[dict[str, Any]],
        curated: list[dict[str, Any]],
        checked: list[dict[str, Any]],
    ) -> dict[str, Any]:
        from echo_ops.pipeline import tasks

        return tasks.publish(day, extracted, judged, curated, checked)

    day = resolve_day()
    cuts = plan(day)
    wait_for_grace(day) >> cuts
    extracted = extract.partial(day=day).expand(cut=cuts)
    checked = check_lifecycles(day, extracted)
    judged = judge.partial(day=day).expand(extracted=extracted)
    checked >> judged
    curated = curate(day, judged)
    checked_examples = check_examples(day, curated)
    publish(day, extracted=extracted, judged=judged, curated=curated, checked=[checked, checked_examples])


echo_harvest()

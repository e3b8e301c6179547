"""Every DAG file parses in a fresh process, without a heavy package, and is documented."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
before = set(sys.modules)
bag = DagBag(sys.argv[1])
heavy = {"torch", "transformers", "trl", "mlflow", "great_expectations", "deltalake", "tree_sitter", "openai"}
heavy |= {"pyarrow", "pandas"}
print("RESULT " + json.dumps({
    "errors": bag.import_errors,
    "heavy": sorted(heavy & (set(sys.modules) - before)),
    "dags": {
        dag.dag_id: {
            "tasks": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
            "mapped": sorted(task.task_id for task in dag.tasks if task.is_mapped),
            "doc": dag.doc_md,
            "timetable": type(dag.timetable).__name__,
            "catchup": dag.catchup,
            "placed": {task.task_id: [task.queue, task.executor, task.executor_config] for task in dag.tasks},
            "alerts": all(task.has_on_failure_callback for task in dag.tasks),
        }
        for dag in bag.dags.values()
    },
}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "ECHO_TRAINING_QUEUE": "gpu",
        "ECHO_TRAINING_EXECUTOR": "LocalExecutor",
        "ECHO_TRAINING_POD_TEMPLATE": "/etc/gpu.yaml",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(ROOT / "dags")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return dict(json.loads(line.removeprefix("RESULT ")))


def test_all_parse_without_heavy_packages(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}
    assert parsed["heavy"] == []
    assert sorted(parsed["dags"]) == ["echo_harvest", "echo_rollout", "echo_train"]


def test_each_is_documented_tells_of_failures_and_does_not_catch_up(parsed: dict[str, Any]) -> None:
    for name, dag in parsed["dags"].items():
        assert dag["doc"].strip().startswith("### "), name
        assert dag["alerts"], name
        assert dag["catchup"] is False, name


def test_harvest_is_partitioned_by_day_and_mapped_over_shards(parsed: dict[str, Any]) -> None:
    harvest = parsed["dags"]["echo_harvest"]
    assert harvest["timetable"] == "CronPartitionTimetable"
    assert harvest["mapped"] == ["extract", "judge"]


def test_harvest_spends_the_teacher_only_on_a_checked_day(parsed: dict[str, Any]) -> None:
    tasks = parsed["dags"]["echo_harvest"]["tasks"]
    assert "check_lifecycles" in tasks["judge"]
    assert "check_examples" in tasks["publish"]
    assert "wait_for_grace" in tasks["plan"]


def test_training_waits_for_the_harvest(parsed: dict[str, Any]) -> None:
    assert "wait_for_harvest" in parsed["dags"]["echo_train"]["tasks"]["assemble"]


def test_only_what_needs_a_gpu_runs_where_one_is(parsed: dict[str, Any]) -> None:
    placed = {name: place for dag in parsed["dags"].values() for name, place in dag["placed"].items()}
    with_gpu = ["gpu", "LocalExecutor", {"pod_template_file": "/etc/gpu.yaml"}]
    assert {name for name, place in placed.items() if place == with_gpu} == {"finetune", "evaluate"}
    assert {tuple(place[:2]) for name, place in placed.items() if place != with_gpu} == {("default", None)}

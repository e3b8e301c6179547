"""DAGs run by the real `airflow dags test`, several in one process."""

from pathlib import Path

import pytest

from echo_ops.errors import EchoError
from echo_ops.pipeline import airflow_home
from echo_ops.pipeline.dag_runs import dag_runner
from echo_ops.settings import Settings

pytestmark = pytest.mark.slow

DAG = """
from airflow.sdk import Param, dag, task

@dag(schedule=None, params={"day": Param(None, type=["null", "string"]), "limit": Param(4, type="integer")})
def tiny():
    @task
    def plan(params=None):
        return [f"{params['day']}-{shard}" for shard in range(2)]

    @task
    def work(cut, params=None):
        from echo_ops.settings import load
        if params["limit"] < 5:
            raise ValueError(f"5 exceeds the limit {params['limit']}")
        (load().home / cut).touch()

    work.expand(cut=plan())

tiny()
"""


def test_runs_share_a_process_and_each_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dags", "plugins"):
        (tmp_path / name).mkdir()
    (tmp_path / "dags/tiny.py").write_text(DAG)
    monkeypatch.setattr(airflow_home, "CHECKOUT", tmp_path)
    home = tmp_path / "home"
    env = airflow_home.environment(Settings(home=home))
    assert airflow_home.migrate(env)
    assert not airflow_home.migrate(env), "a second migration found something to do"

    told: list[str] = []
    with dag_runner(env) as run:
        log = run("tiny", {"day": "2026-11-03", "limit": 5}, told.append)
        assert log == home / "logs/tiny-2026-11-03-5.log"
        assert "DagRun Finished: dag_id=tiny" in log.read_text()
        assert told[:2] == ["plan started", "plan done"]
        for shard in range(2):  # which of the two comes first, the scheduler says
            assert [what for what in told if f"[{shard}]" in what] == [f"work[{shard}] started", f"work[{shard}] done"]
        assert len(told) == 6
        assert {path.name for path in home.glob("2026*")} == {"2026-11-03-0", "2026-11-03-1"}

        told.clear()
        with pytest.raises(EchoError, match=r"ValueError: 5 exceeds the limit 4; see .*tiny-2026-11-04-4\.log"):
            run("tiny", {"day": "2026-11-04", "limit": 4}, told.append)
        assert "work[0] failed" in told

        with pytest.raises(EchoError, match=r"no_such_dag.* could not be found"):
            run("no_such_dag", {}, told.append)

        run("tiny", {"day": "2026-11-05", "limit": 5}, told.append)  # a failed run does not harm the next one
        assert (home / "2026-11-05-1").exists()

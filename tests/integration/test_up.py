"""`echo-ops up` for real: it serves, a backfill runs the right days, and nothing is left when it stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from echo_ops.pipeline.services import MARK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PROGRAM = """
import sys
from pathlib import Path
from echo_ops.pipeline import airflow_home, up
from echo_ops.settings import load
airflow_home.CHECKOUT = Path(sys.argv[1])
up.up(load())
"""

DAG = '''
"""The shape of echo_harvest without its work."""
from datetime import UTC, datetime
from airflow.sdk import CronPartitionTimetable, dag, get_current_context, task

@dag(
    schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
)
def echo_harvest():
    @task
    def resolve_day():
        from echo_ops.pipeline import day
        return day.resolve(get_current_context()).isoformat()

    @task
    def note(day):
        from echo_ops.settings import load
        (load().home / f"harvested-{day}").touch()

    note(resolve_day())

echo_harvest()
'''


class Running:
    """A running `echo-ops up` and what it printed."""

    def __init__(self, home: Path, checkout: Path, name: str = "first") -> None:
        self.home = home
        self.output = home.parent / f"{name}.txt"
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ECHO_", "AIRFLOW"))}
        env |= {"ECHO_HOME": str(home), "ECHO_AIRFLOW_PORT": "18080", "ECHO_MLFLOW_PORT": "15000", "COLUMNS": "200"}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(checkout)], env=env, stdout=output, stderr=subprocess.STDOUT
            )

    def text(self) -> str:
        return self.output.read_text()

    def until_up(self) -> None:
        while "Ctrl-C stops it" not in self.text():
            assert self.process.poll() is None, self.text()
            time.sleep(0.5)

    def mark(self) -> str:
        return str(json.loads((self.home / "up.lock").read_text())["mark"])

    def address(self, name: str) -> str:
        line = next(line for line in self.text().splitlines() if f"│ {name}" in line)
        return line.split("│")[2].strip()


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture
def checkout(open_folder: Path) -> Path:
    for name in ("dags", "plugins"):
        (open_folder / name).mkdir()
    (open_folder / "dags/echo_harvest.py").write_text(DAG)
    return open_folder


@pytest.fixture
def running(open_folder: Path, checkout: Path) -> Iterator[Running]:
    home = open_folder / "home"
    up = Running(home, checkout)
    try:
        yield up
    finally:
        up.process.send_signal(signal.SIGTERM)
        up.process.wait(60)


def until(answer: Any, seconds: float = 90) -> Any:
    """What ``answer()`` gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := answer():
            return found
        time.sleep(1)
    raise AssertionError(f"nothing after {seconds:.0f} s")


def test_it_serves_backfills_and_leaves_nothing_behind(running: Running, checkout: Path) -> None:
    running.until_up()
    home, mark = running.home, running.mark()
    password = json.loads((home / "airflow/passwords.json").read_text())["echo"]

    # everything listens on loopback only
    listening = [
        connection.laddr.ip
        for process in marked(mark)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}

    # secrets: private files, in no log, and the password not in an output that is no terminal
    for name in ("fernet.key", "api.key", "jwt.key", "passwords.json"):
        assert (home / "airflow" / name).stat().st_mode & 0o077 == 0
    secrets = [password, *((home / "airflow" / name).read_text() for name in ("fernet.key", "api.key", "jwt.key"))]
    written = running.text() + "".join(log.read_text() for log in (home / "logs").glob("*.log"))
    assert not [secret for secret in secrets if secret in written]

    # a second one says that one runs
    second = Running(home, checkout, "second")
    assert second.process.wait(60) != 0
    assert f"runs already in {home} (process {running.process.pid})" in second.text()

    # the web interface: not without logging in, and a backfill of two days runs those days
    assert httpx.get(running.address("MLflow") + "/health").status_code == 200
    airflow = httpx.Client(base_url=running.address("Airflow"), timeout=20)
    assert airflow.get("/api/v2/dags").status_code == 401
    token = airflow.post("/auth/token", json={"username": "echo", "password": password}).json()["access_token"]
    airflow.headers["Authorization"] = f"Bearer {token}"
    until(lambda: airflow.get("/api/v2/dags/echo_harvest").status_code == 200)
    airflow.patch("/api/v2/dags/echo_harvest", json={"is_paused": False}).raise_for_status()
    form = {
        "dag_id": "echo_harvest",
        "from_date": "2026-11-03T00:00:00Z",
        "to_date": "2026-11-04T00:00:00Z",
        "reprocess_behavior": "none",
        "max_active_runs": 2,
    }
    airflow.post("/api/v2/backfills", json=form).raise_for_status()

    def finished() -> list[dict[str, Any]]:
        runs = airflow.get("/api/v2/dags/echo_harvest/dagRuns").json()["dag_runs"]
        backfills = [run for run in runs if run["run_type"] == "backfill"]
        return backfills if backfills and all(run["state"] in ("success", "failed") for run in backfills) else []

    runs = until(finished)
    assert {run["partition_key"]: run["state"] for run in runs} == {"2026-11-03": "success", "2026-11-04": "success"}
    assert {"harvested-2026-11-03", "harvested-2026-11-04"} <= {path.name for path in home.glob("harvested-*")}

    # SIGTERM ends all of it
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0, running.text()
    assert marked(mark) == []

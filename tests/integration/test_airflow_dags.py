"""The harvest as Airflow itself runs it: mapped over shards, and telling of a stopped day."""

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from echo_ops.errors import EchoError
from echo_ops.events.load import load as load_events
from echo_ops.pipeline import airflow_home
from echo_ops.pipeline.dag_runs import RunDag, dag_runner
from echo_ops.pipeline.harvest import published
from echo_ops.settings import Harvest, Settings
from echo_ops.simulate.simulate import write

DAY = date(2026, 11, 2)

pytestmark = pytest.mark.slow


class Inbox(BaseHTTPRequestHandler):
    """Takes the alerts."""

    received: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.received.append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[str]]]:
    received: list[str] = []
    server = HTTPServer(("127.0.0.1", 0), type("OneInbox", (Inbox,), {"received": received}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}/", received
    server.shutdown()


def test_airflow_harvests_a_day_and_tells_of_one_that_it_stopped(
    database_url: str, tmp_path: Path, inbox: tuple[str, list[str]]
) -> None:
    alerts, received = inbox
    events = tmp_path / "events.parquet"
    write(events, None, days=1, users=2, seed=3, start=DAY)
    load_events(database_url, [events])
    settings = Settings(home=tmp_path, alerts=alerts, harvest=Harvest(shard_events=700)).with_postgres(database_url)
    environment = airflow_home.environment(settings, None)
    airflow_home.migrate(environment)
    with dag_runner(environment) as run:
        log, told = harvest(run, DAY)
        manifest = published(settings)[DAY]
        assert manifest.shards >= 2
        assert manifest.rows["lifecycles"] == manifest.rows["requests"] > 50
        assert any("publish" in line for line in told)
        assert not received
        with pytest.raises(EchoError, match="0 requests"):
            harvest(run, date(2026, 12, 24))
    assert log.is_file()
    assert len(received) == 1
    assert "2026-12-24" in received[0]
    assert "echo_harvest" in json.dumps(json.loads(received[0]))
    assert list(published(settings)) == [DAY]


def harvest(run: RunDag, day: date) -> tuple[Path, list[str]]:
    told: list[str] = []
    return run("echo_harvest", {"day": day.isoformat(), "wait": False}, told.append), told

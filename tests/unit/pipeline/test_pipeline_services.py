"""Servers under supervision, with small ones that behave as badly as Airflow's."""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from echo_ops.errors import EchoError, UnavailableError
from echo_ops.pipeline.services import MARK, Service, Services, answers, end_marked, free_port
from echo_ops.pipeline.up import _claim

# Ignores SIGTERM, and has a child with a session of its own that would outlive it.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
print("serving", flush=True)
time.sleep(600)
"""


def marked(mark: str) -> int:
    count = 0
    for process in psutil.process_iter():
        try:
            count += process.environ().get(MARK) == mark
        except (psutil.Error, OSError):
            continue
    return count


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def service(program: str, name: str = "airflow scheduler", healthy: Callable[[], bool] = lambda: True) -> Service:
    return Service(name, [sys.executable, "-c", program], healthy)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("echo_ops.pipeline.services.STOP_SECONDS", 0.2)


def test_nothing_outlives_the_context(tmp_path: Path) -> None:
    with Services(tmp_path, "mark-a") as services:
        services.start(service(STUBBORN), os.environ)
        until(lambda: marked("mark-a") == 2)
        assert list(services.until_healthy(5)) == ["airflow scheduler"]
        services.check()
    assert marked("mark-a") == 0
    assert (tmp_path / "airflow-scheduler.log").read_text() == "serving\nserving\n"


def test_nothing_outlives_an_error(tmp_path: Path) -> None:
    def crash() -> None:
        with Services(tmp_path, "mark-b") as services:
            services.start(service(STUBBORN), os.environ)
            until(lambda: marked("mark-b") == 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert marked("mark-b") == 0


@pytest.mark.parametrize(
    ("program", "how"),
    [
        ("import sys; print('no such table: dag'); sys.exit(3)", "ended with status 3"),
        ("import os; print('no such table: dag', flush=True); os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("print('no such table: dag')", "ended with status 0"),
    ],
)
def test_a_server_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path, program: str, how: str) -> None:
    with Services(tmp_path, "mark-c") as services:
        services.start(service(program, healthy=lambda: False), os.environ)
        with pytest.raises(EchoError, match=f"airflow scheduler {how}") as caught:
            list(services.until_healthy(20))
    assert "no such table: dag" in str(caught.value)


def test_a_server_that_does_not_serve_in_time_is_named(tmp_path: Path) -> None:
    with Services(tmp_path, "mark-d") as services:
        services.start(service(STUBBORN, healthy=lambda: False), os.environ)
        with pytest.raises(UnavailableError, match="airflow scheduler does not serve after 0 s"):
            list(services.until_healthy(0.1))


def test_the_next_run_ends_what_a_crashed_one_left(tmp_path: Path) -> None:
    (tmp_path / "up.lock").write_text(json.dumps({"pid": 1, "mark": "mark-e"}))
    left = subprocess.Popen([sys.executable, "-c", STUBBORN], env={**os.environ, MARK: "mark-e"})
    until(lambda: marked("mark-e") == 2)
    with _claim(tmp_path) as mark:
        assert mark != "mark-e"
        assert marked("mark-e") == 0
    left.wait()


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        _claim(tmp_path),
        pytest.raises(EchoError, match=rf"runs already in .*\(process {os.getpid()}\)"),
        _claim(tmp_path),
    ):
        pass
    with _claim(tmp_path):  # a run that ended leaves no claim
        pass


def test_processes_of_others_are_left_alone() -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, MARK: "other"})
    until(lambda: marked("other") == 1)
    assert end_marked("mine") == 0
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_answers() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/health"
            self.send_response(200 if found else 503)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"scheduler": {"status": "healthy"}}')

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert answers(server.server_port, "/health") == {"scheduler": {"status": "healthy"}}
        assert answers(server.server_port, "/other") is None
        server.shutdown()
    assert answers(server.server_port, "/health") is None

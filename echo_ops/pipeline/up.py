"""``echo-ops up``: Postgres, MLflow and Airflow on this machine, until Ctrl-C.

Each server is a process of its own under our eyes. None is restarted: when one ends, it is said which and why, and all
are stopped. Everything listens on loopback only.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echo_ops.errors import EchoError
from echo_ops.pipeline import airflow_home
from echo_ops.pipeline.services import Service, Services, answers, end_marked, free_port

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from echo_ops.settings import Settings

START_SECONDS = 240.0
"""How long servers may take until they serve; see docs/operations/production.md for what was measured."""


def up(settings: Settings, console: Console | None = None) -> None:
    """Runs everything until Ctrl-C, SIGTERM or SIGHUP; then stops it, children and all.

    Raises:
        EchoError: it runs already, a server ended, or one does not start; all are stopped then.
    """
    from rich.console import Console

    console = console or Console()
    with _interrupted_by_signals(), _claim(settings.home) as mark, ExitStack() as stack:
        try:
            services = _start(settings, mark, stack, console)
            while True:
                services.check()
                time.sleep(1)
        except KeyboardInterrupt:
            console.print("stopping")
        finally:
            _ignore_signals()
    console.print("stopped")


def _start(settings: Settings, mark: str, stack: ExitStack, console: Console) -> Services:
    """Starts everything and waits until it serves; leaving ``stack`` stops it."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from echo_ops.events.migrate import migrate

    began = time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("Postgres", total=None)

        def ready(name: str) -> None:
            progress.console.print(f"[green]✓[/] {name:<20} {time.monotonic() - began:5.1f} s", highlight=False)
            progress.update(bar, description="waiting for servers")

        events_url, metadata_url = _databases(settings, stack)
        ready("Postgres")
        settings = settings.with_postgres(events_url)
        port = free_port(settings.airflow.port)
        env = airflow_home.environment(settings, metadata_url, port)
        services = stack.enter_context(Services(settings.home.absolute() / "logs", mark))
        mlflow = settings.tracking_uri
        if not mlflow.startswith(("http://", "https://")):
            mlflow_port = free_port(settings.mlflow.port)
            services.start(_mlflow(settings, mlflow_port), {**env, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
            mlflow = f"http://127.0.0.1:{mlflow_port}"
        migrate(events_url)
        airflow_home.migrate(env)
        ready("migrations")
        for service in _airflow(env, port):
            services.start(service, env)
        for name in services.until_healthy(START_SECONDS):
            ready(name)
    console.print(_where(settings, f"http://127.0.0.1:{port}", mlflow, console.is_terminal))
    return services


def _databases(settings: Settings, stack: ExitStack) -> tuple[str, str | None]:
    """URL of the events' database, and of the server on which Airflow keeps its own.

    Nothing is created on a server that somebody named for the events: Airflow's tables then go to one of ours, or
    where ``ECHO_AIRFLOW_DATABASE_URL`` says.
    """
    from echo_ops.events.local_server import serve

    named = settings.postgres.url
    if named is not None and settings.airflow.database_url is not None:
        return named.get_secret_value(), None
    ours = stack.enter_context(serve(settings.home))
    return (ours if named is None else named.get_secret_value()), ours


def _mlflow(settings: Settings, port: int) -> Service:
    """The server on the store that commands and tasks use directly; artifacts lie on this disk, it hands out none."""
    folder = settings.home.absolute() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", settings.tracking_uri),
        *("--no-serve-artifacts", "--default-artifact-root", str(folder / "artifacts")),
    ]
    return Service("mlflow", command, lambda: answers(port, "/health") is not None)


def _airflow(env: dict[str, str], port: int) -> Iterator[Service]:
    """Airflow's four servers. Logs are read from this disk, so the log servers, which listen everywhere, stay off."""

    def healthy(component: str) -> bool:
        health = answers(port, "/api/v2/monitor/health") or {}
        state: dict[str, Any] = health.get(component, {})
        return state.get("status") == "healthy"

    commands = {
        "metadatabase": ["api-server"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "dag_processor": ["dag-processor"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    }
    airflow = airflow_home.airflow(env)
    for component, arguments in commands.items():
        yield Service(f"airflow {arguments[0]}", [airflow, *arguments], partial(healthy, component))


def _where(settings: Settings, airflow: str, mlflow: str, on_terminal: bool) -> Table:
    """Addresses, and how to log in. The password is shown on a terminal only: what is not one ends in a log."""
    from rich.table import Table

    file = airflow_home.passwords_file(settings.home)
    password = airflow_home.password(settings.home) if on_terminal else f"see {file}"
    home = settings.home.absolute()
    table = Table(title="echo-ops is up; Ctrl-C stops it", show_header=False, title_justify="left")
    table.add_row("Airflow", airflow)
    table.add_row("", f"user {airflow_home.USER}, password {password}")
    table.add_row("backfill", f"{airflow}/dags/echo_harvest: Trigger, then Backfill")
    table.add_row("MLflow", mlflow)
    table.add_row("Postgres", _without_password(settings))
    table.add_row("lake", settings.lake_uri)
    table.add_row("logs", str(home / "logs"))
    return table


def _without_password(settings: Settings) -> str:
    from psycopg2.extensions import parse_dsn

    assert settings.postgres.url is not None
    parts = parse_dsn(settings.postgres.url.get_secret_value())
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


@contextmanager
def _claim(home: Path) -> Iterator[str]:
    """The right to run in ``home``, with the mark of this run; ends what a run that crashed left behind.

    Raises:
        EchoError: another run has it.
    """
    home.mkdir(parents=True, exist_ok=True)
    file = home.absolute() / "up.lock"
    with file.open("a+") as lock:
        lock.seek(0)
        content = lock.read()
        before = json.loads(content) if content else None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = before["pid"] if before else "unknown"
            raise EchoError(
                f"echo-ops up runs already in {home} (process {pid}); stop it with `kill {pid}`, or name another "
                "folder in ECHO_HOME"
            ) from None
        if before:
            end_marked(before["mark"])
        mark = secrets.token_hex(16)
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "mark": mark}))
        lock.flush()
        yield mark
        lock.truncate(0)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP do what Ctrl-C does."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """A second Ctrl-C must not break off the stopping, which is bounded in time anyway."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)

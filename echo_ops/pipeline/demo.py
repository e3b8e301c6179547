"""The whole loop once, on this machine and through Airflow itself: what ``scripts/demo`` shows.

Everything of a demo lies in ``<home>/demo`` (database, lake, models, logs) and is made anew each time; the small base
model beside it is kept. A database, lake or registry that the settings name is not touched.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from echo_ops.errors import InputError
from echo_ops.settings import Settings, load

SIMULATED_DAYS, SIMULATED_USERS, SEED = 3, 24, 1
FIRST_DAY = date(2026, 11, 2)

SMALL_VOID_SHARE = 0.04
"""Silence among the lessons, for the small model. With the default of 0.15 the end is likelier than any single first
token to a model that knows so little: it then proposes nothing for half of the requests."""

Tell = Callable[[str], None]


@dataclass(slots=True)
class Steps:
    """Runs the steps one by one, shows what goes on, and keeps the seconds of each."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[Tell]:
        """One step: a spinner while it runs, a line when it is done."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        started, last = time.monotonic(), ""
        quiet = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=quiet) as progress:
            bar = progress.add_task(name, total=None)

            def tell(what: str) -> None:
                nonlocal last
                last = what
                progress.update(bar, description=f"{name}: {what}")

            yield tell
        self.seconds[name] = round(time.monotonic() - started, 1)
        line = f"[green]✓[/] {name:<22} {self.seconds[name]:6.1f} s  [dim]{last}[/]"
        self.console.print(line, highlight=False, soft_wrap=True)


def demo(settings: Settings, events: Path | None = None) -> None:
    """Telemetry → harvest of each day → training → challenger → rollout; at the end tables and ``summary.json``.

    Args:
        settings: a teacher and a base model are taken from here; database, lake and registry are the demo's own.
        events: Parquet file of somebody's events; None simulates three days of two dozen programmers.
    """
    from echo_ops.events import local_server

    home = settings.home.absolute() / "demo"
    with _alone(settings.home):
        if not local_server.remove(home):  # the server of a demo that was killed ends here too
            raise InputError(f"the database in {home} is in use; end the command that uses it, or set ECHO_HOME")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _run(settings, home, events)


def _run(settings: Settings, home: Path, events: Path | None) -> None:
    from echo_ops.events import local_server
    from echo_ops.pipeline import report
    from echo_ops.pipeline.champion import base_model_folder, make_base_model
    from echo_ops.pipeline.checks import data_docs
    from echo_ops.pipeline.harvest import published
    from echo_ops.pipeline.promote import latest
    from echo_ops.pipeline.train import result_of

    console = Console()
    steps = Steps(console)
    small = settings.base_model is None
    if small:
        with steps.step("base model") as tell:
            made = make_base_model(settings, lambda report: tell(f"{report.phase} {report.done}/{report.total}"))
            tell(f"perplexity {made.measures.perplexity:.1f}, uniform {made.measures.perplexity_uniform:.0f}")
    with local_server.serve(home) as url:
        ours = _environment(settings, home, url, str(base_model_folder(settings)) if small else None)
        with _environ(ours):
            inside = load()
            days = _telemetry(steps, inside, url, events)
            untrained = _loop(steps, inside, days)
            funnel = published(inside)
            trained = None if untrained else result_of(inside, days[-1])
            decision = latest(inside, url)
            assert decision is not None  # the rollout's DAG has ended well
    summary = {
        "days": [_day(day.isoformat(), manifest.rows, manifest.dropped) for day, manifest in funnel.items()],
        "evaluation": trained and {"champion": trained.champion, "challenger": trained.challenger},
        "registered": trained and trained.registered,
        "decision": decision.figures(),
        "seconds": steps.seconds,
    }
    (home / "summary.json").write_text(json.dumps(summary, indent=2, default=str) + "\n")
    tables = report.funnels(funnel.values())
    if trained:
        tables += [report.evaluation(trained), report.slices(trained)]
    for table in (*tables, report.decision(decision)):
        console.print()
        console.print(table)
    console.print(f"\n{trained.reason if trained else untrained}\n")
    _say_where(console, home, inside, data_docs(inside, days[-1]))


def _telemetry(steps: Steps, settings: Settings, url: str, events: Path | None) -> list[date]:
    """Events in the database; gives their days."""
    from echo_ops.events import read
    from echo_ops.events.load import load as load_events
    from echo_ops.events.migrate import migrate
    from echo_ops.simulate.simulate import write

    file = events or settings.home / "events.parquet"
    if events is None:
        with steps.step("simulate") as tell:
            written = write(
                file,
                settings.home / "truth.parquet",
                days=SIMULATED_DAYS,
                users=SIMULATED_USERS,
                seed=SEED,
                start=FIRST_DAY,
                model_of=lambda _user, _day: f"{settings.mlflow.model_name}/1",
                progress=lambda done, total: tell(f"{done} of {total} working days"),
            )
            tell(f"{written.events:,} events, {written.requests:,} requests")
    with steps.step("migrate and load") as tell:
        migrate(url)
        counts = load_events(url, [file], lambda done, total: tell(f"{done:,} of {total:,} events"))
        rejected = sum(counts.rejected.values())
        tell(f"{counts.loaded:,} loaded, {counts.repeated:,} repeated, {rejected:,} rejected")
    days = read.days(url)
    if not days:
        raise InputError(f"{file} holds no request that the contract allows; {rejected} rows were rejected")
    return days


def _loop(steps: Steps, settings: Settings, days: list[date]) -> str | None:
    """Harvest, training and rollout, each as a run of its DAG; why nothing was trained, where the data are too few."""
    from echo_ops.pipeline import airflow_home
    from echo_ops.pipeline.dag_runs import dag_runner
    from echo_ops.pipeline.harvest import published
    from echo_ops.pipeline.manifest import add

    with steps.step("airflow database"):
        environment = airflow_home.environment(settings, None)
        airflow_home.migrate(environment)
    with dag_runner(environment) as run:
        for day in days:
            with steps.step(f"harvest {day}") as tell:
                run("echo_harvest", {"day": day.isoformat(), "wait": False}, tell)
        first = days[-1] - timedelta(days=settings.training.window_days - 1)
        window = published(settings, [day for day in days if day >= first])
        kept = add(manifest.rows for manifest in window.values())
        if kept["train"] and kept["evaluation"]:
            with steps.step("train") as tell:
                run("echo_train", {"day": days[-1].isoformat()}, tell)
        with steps.step("rollout") as tell:
            run("echo_rollout", {}, tell)
    if kept["train"] and kept["evaluation"]:
        return None
    return (
        f"Nothing was trained: of {kept['lifecycles']:,} lifecycles since {first} {kept['train']:,} became lessons to "
        f"learn and {kept['evaluation']:,} lessons to compare on, which are held out by whole repositories, users or "
        "documents; at least 1 of each is needed. More days, or more documents, give more."
    )


def _environment(settings: Settings, home: Path, url: str, base_model: str | None) -> dict[str, str]:
    """The variables that turn every process of the demo to the demo's own places."""
    ours = {
        "ECHO_HOME": str(home),
        "ECHO_POSTGRES_URL": url,
        "ECHO_LAKE_URI": str(home / "lake"),
        "ECHO_MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow/mlflow.db",
    }
    if base_model is not None:
        from echo_ops.training.base_model import FINETUNE

        ours["ECHO_BASE_MODEL"] = base_model
        fitting = {f"ECHO_TRAINING_{name.upper()}": str(value) for name, value in FINETUNE.items()}
        fitting["ECHO_CURATION_VOID_SHARE"] = str(SMALL_VOID_SHARE)
        ours |= {name: value for name, value in fitting.items() if name not in os.environ}
    return ours


@contextmanager
def _environ(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another demo runs in {home.absolute()}; wait for its end, or set ECHO_HOME") from None
        yield


def _day(day: str, rows: dict[str, int], dropped: dict[str, int]) -> dict[str, Any]:
    from echo_ops.pipeline.report import FUNNEL

    return {"day": day, **{name: rows.get(name, 0) for name in FUNNEL}, "dropped": dropped}


def _say_where(console: Console, home: Path, settings: Settings, docs: Path) -> None:
    console.print("Where to look")
    for what, where in (
        ("data docs", f"{docs}/index.html"),
        ("MLflow", f".venv/bin/mlflow ui --backend-store-uri {settings.tracking_uri}"),
        ("lake", f"{settings.lake_uri} (Delta: lifecycles, verdicts, examples, dropped, days)"),
        ("logs", f"{home}/logs"),
        ("summary", f"{home}/summary.json"),
    ):
        console.print(f"  {what:<10} {where}", highlight=False, soft_wrap=True)

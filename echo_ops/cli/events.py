"""Events in and out: ``echo-ops events …`` and ``echo-ops simulate …``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from echo_ops.cli.common import load_settings, must_be_file, must_be_writable, progress

events_app = typer.Typer(no_args_is_help=True, help="Completion events in and out of Postgres.")
simulate_app = typer.Typer(no_args_is_help=True, help="Programmers who write real code, with the truth known.")


@events_app.command("load")
def events_load(
    files: Annotated[list[Path], typer.Argument(help="Parquet files with the contract's columns.")],
) -> None:
    """Load completion events into Postgres; repeats are ignored, rows that break the contract refused with a reason."""
    from echo_ops.events.load import load
    from echo_ops.events.migrate import current
    from echo_ops.pipeline import report
    from echo_ops.pipeline.database import database

    for file in files:
        must_be_file(file)
    with database(load_settings()) as url, progress() as bars:
        current(url)
        bar = bars.add_task("events", total=None)
        counts = load(url, files, lambda done, total: bars.update(bar, completed=done, total=total))
    report.show(report.loaded(counts))


@events_app.command("import")
def events_import(
    files: Annotated[list[Path], typer.Argument(help="Files that another tool logged.")],
    name: Annotated[
        str, typer.Option("--format", help="continue, tabby, zed or copilot-recording.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Parquet file for the events.")],
    key: Annotated[Path | None, typer.Option(help="File with a secret: nobody else can test the pseudonyms.")] = None,
) -> None:
    """Read what Continue, Tabby, Zed or VS Code logged into events, and say what the format cannot tell."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.imports import import_files, imported

    for file in files:
        must_be_file(file)
    must_be_writable(out)
    with progress() as bars:
        bar = bars.add_task("bytes", total=None)
        result = import_files(name, files, out, key, lambda done, total: bars.update(bar, completed=done, total=total))
    for table in imported(result):
        report.show(table)
    typer.echo(f"{result.events} events, {result.requests} requests → {out}")


@simulate_app.command("events")
def simulate_events(
    days: Annotated[int, typer.Option(min=1, help="How many days.")],
    users: Annotated[int, typer.Option(min=1, help="How many programmers.")],
    out: Annotated[Path, typer.Option(help="Parquet file for the events.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    truth: Annotated[Path | None, typer.Option(help="Parquet file for the true commits.")] = None,
    start: Annotated[str, typer.Option(help="First day, YYYY-MM-DD.")] = "2026-11-02",
) -> None:
    """Simulate programmers who type the standard library's source and use completions."""
    from echo_ops.pipeline.day import parse
    from echo_ops.simulate.simulate import write

    first = parse(start)
    must_be_writable(out, truth)
    with progress() as bars:
        bar = bars.add_task("days of programmers", total=days * users)
        written = write(
            out,
            truth,
            days=days,
            users=users,
            seed=seed,
            start=first,
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
        )
    typer.echo(f"{written.events} events, {written.requests} requests by {users} users on {days} days → {out}")


@simulate_app.command("loop")
def simulate_loop(
    days: Annotated[int, typer.Option(min=1, help="How many days of work, each with a night of training.")],
    users: Annotated[int, typer.Option(min=2, help="How many programmers teach; others are measured.")],
    out: Annotated[Path, typer.Option(help="Folder for summary.json, acceptance.png and plan.json.")],
    seed: Annotated[int, typer.Option(help="Another seed gives other files, places and orders.")] = 0,
) -> None:
    """Prove the whole cycle: what a few nights of training are worth to programmers whose code no model has seen."""
    from rich.console import Console

    from echo_ops.pipeline.loop import figures
    from echo_ops.pipeline.loop.plan import Plan
    from echo_ops.pipeline.loop.run import run
    from echo_ops.training.progress import Progress

    plan = Plan(days, users, seed)
    with progress() as bars:
        shown: dict[str, Any] = {}
        pieces = bars.add_task("pieces of work", total=plan.pieces)

        def tell(name: str, report: Progress | None) -> None:
            if report is None:
                bars.advance(pieces)
                bars.console.print(f"{datetime.now():%H:%M:%S} {name}", highlight=False)
                if name in shown:
                    bars.remove_task(shown.pop(name))
                return
            if name not in shown:
                shown[name] = bars.add_task(name)
            bars.update(shown[name], completed=report.done, total=report.total, description=f"{name}: {report.phase}")

        summary = run(plan, load_settings(), out, tell)
    console = Console()
    for table in figures.tables(summary):
        console.print(table)
    console.print(f"{summary['seconds'] / 60:.0f} min → {out}/summary.json, {out}/acceptance.png", highlight=False)

"""The same steps without Airflow: the console script ``echo-ops``.

Exit status 0 on success; 2 and one clear line on bad input, with nothing written; 1 and one clear line when a server,
a store or the data of a day stopped it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from echo_ops.errors import EchoError, InputError

if TYPE_CHECKING:
    from datetime import date

    from rich.progress import Progress

    from echo_ops.settings import Settings
    from echo_ops.training.progress import Report

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turns what programmers do with a completion into a better model, every night.",
)
events_app = typer.Typer(no_args_is_help=True, help="Completion events in and out of Postgres.")
simulate_app = typer.Typer(no_args_is_help=True, help="Programmers who write real code, with the truth known.")
rollout_app = typer.Typer(no_args_is_help=True, help="Who gets which model.")
app.add_typer(events_app, name="events")
app.add_typer(simulate_app, name="simulate")
app.add_typer(rollout_app, name="rollout")

Day = Annotated[str, typer.Option(help="Day in UTC, YYYY-MM-DD.", metavar="DAY")]
Policy = Annotated[str, typer.Option(help="When a gap closes: default or strict.")]


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    from echo_ops.events.migrate import migrate as apply
    from echo_ops.pipeline.database import database

    with database(_settings()) as url:
        applied = apply(url)
    typer.echo("\n".join(f"applied {name}" for name in applied) or "nothing to apply: the schema is current")


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
        _must_be_file(file)
    with database(_settings()) as url, _progress() as progress:
        current(url)
        bar = progress.add_task("events", total=None)
        counts = load(url, files, lambda done, total: progress.update(bar, completed=done, total=total))
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
        _must_be_file(file)
    _must_be_writable(out)
    with _progress() as progress:
        bar = progress.add_task("bytes", total=None)
        result = import_files(
            name, files, out, key, lambda done, total: progress.update(bar, completed=done, total=total)
        )
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
    _must_be_writable(out, truth)
    with _progress() as progress:
        bar = progress.add_task("days of programmers", total=days * users)
        written = write(
            out,
            truth,
            days=days,
            users=users,
            seed=seed,
            start=first,
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    typer.echo(f"{written.events} events, {written.requests} requests by {users} users on {days} days → {out}")


@app.command()
def harvest(day: Day) -> None:
    """Harvest a day: Postgres → events → lifecycles → teacher → curation → examples, published in the lake."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.harvest import harvest as run

    settings, when = _settings(), _day(day)
    with _alerting(settings, f"harvest of {when} failed"), _progress() as progress:
        manifest = run(when, settings, _bar(progress, "plan"))
    report.show(report.funnel([manifest]))
    for note in manifest.notes:
        typer.echo(f"note: {note}")


@app.command()
def reconstruct(
    events: Annotated[Path, typer.Argument(metavar="EVENTS.parquet", help="Completion events.")],
    out: Annotated[Path, typer.Option(help="Parquet file for the lifecycles.")],
    policy: Policy = "default",
) -> None:
    """Work out for each request what the user finally committed."""
    from echo_ops.pipeline.files import reconstruct_file

    _must_be_file(events)
    _must_be_writable(out)
    with _progress() as progress:
        rows = reconstruct_file(events, policy, out, _settings(), _bar(progress, "read"))
    typer.echo(f"{rows} lifecycles → {out}")


@app.command()
def refine(
    lifecycles: Annotated[Path, typer.Argument(metavar="LIFECYCLES.parquet", help="Lifecycles.")],
    out: Annotated[Path, typer.Option(help="Parquet file for the examples.")],
    dropped: Annotated[Path, typer.Option(help="Parquet file for the dropped rows, with their reasons.")],
    teacher_url: Annotated[str | None, typer.Option(help="OpenAI-compatible URL of the teacher.")] = None,
    teacher_model: Annotated[str | None, typer.Option(help="Model name at that URL.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder of the teacher's answers; unset: in the lake.")] = None,
    consents: Annotated[
        Path | None, typer.Option(help="Parquet file: user_id, consented, at; who withdrew is left out.")
    ] = None,
    student_scores: Annotated[
        Path | None, typer.Option(help="Parquet file: request_id, nats_per_character of lessons under a student.")
    ] = None,
) -> None:
    """Make lessons of lifecycles: teacher and curation on files; each row ends in exactly one of the two outputs."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.files import refine_file

    for file in (lifecycles, consents, student_scores):
        if file is not None:
            _must_be_file(file)
    _must_be_writable(out, dropped)
    given = {name: value for name, value in (("url", teacher_url), ("model", teacher_model)) if value is not None}
    settings = _settings()
    settings = settings.model_copy(update={"teacher": settings.teacher.model_copy(update=given)})
    with _progress() as progress:
        bar = _bar(progress, "judge")
        refined = refine_file(lifecycles, out, dropped, settings, cache, bar, consents=consents, student=student_scores)
    report.show(report.refined(refined))
    for note in refined.notes:
        typer.echo(f"note: {note}")


@app.command()
def replay(
    day: Day,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of curation; may be repeated.")
    ] = None,
) -> None:
    """Show what other thresholds would have kept of a published day, from its scores: no teacher, nothing written."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.replay import replay as run

    report.show(report.replayed(run(_day(day), changes or [], _settings())))


@app.command("base-model")
def base_model() -> None:
    """Make the small base model here, or say what it can do when it is there already."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.champion import make_base_model

    with _progress() as progress:
        made = make_base_model(_settings(), _follow(progress, "base model"))
    report.show(report.base_model(made))


@app.command()
def train(
    day: Annotated[str | None, typer.Option(help="Last day of the window; default: the last published.")] = None,
) -> None:
    """Fine-tune the champion on the lessons of a window of days; register the result when it is better."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.train import last_published
    from echo_ops.pipeline.train import train as run

    settings = _settings()
    when = _day(day) if day else last_published(settings)
    with _alerting(settings, f"training on the days to {when} failed"), _progress() as progress:
        result = run(when, settings, _follow(progress, "assemble"))
    report.show(report.evaluation(result))
    typer.echo(result.reason)


@rollout_app.command("step")
def rollout_step() -> None:
    """Read the evidence, decide (advance, hold, roll back, promote), write the ledger, move the aliases."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.database import database
    from echo_ops.pipeline.promote import step

    settings = _settings()
    with _alerting(settings, "rollout step failed"), database(settings) as url:
        decision = step(settings, url)
    report.show(report.decision(decision))


@app.command("settings")
def show_settings() -> None:
    """Show every setting, its value here, and what it means."""
    from echo_ops.pipeline import report
    from echo_ops.settings import variables

    report.show(report.settings(variables(_settings())))


@app.command()
def up() -> None:
    """Run Airflow, MLflow and Postgres on this machine until Ctrl-C."""
    from echo_ops.pipeline.up import up as run

    run(_settings())


@app.command()
def demo(
    events: Annotated[Path | None, typer.Option(help="Somebody's real events instead of simulated ones.")] = None,
) -> None:
    """The whole loop once, through Airflow: telemetry → harvest → training → challenger → rollout."""
    from echo_ops.pipeline.demo import demo as run

    if events is not None:
        _must_be_file(events)
    run(_settings(), events)


def main() -> None:
    """Run the command line; every expected failure is one line on stderr."""
    try:
        status = app(prog_name="echo-ops", standalone_mode=False)
    except typer.TyperException as error:
        _fail(error.format_message(), 2)
    except EchoError as error:
        _fail(str(error), error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 130)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int) -> None:
    typer.secho("echo-ops: " + " ".join(message.split()), fg="red", err=True)
    sys.exit(status)


def _settings() -> Settings:
    from echo_ops.settings import load

    return load()


def _day(text: str) -> date:
    from echo_ops.pipeline.day import parse

    return parse(text)


def _must_be_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path} is no file")


def _must_be_writable(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"{path} cannot be written: the folder {path.absolute().parent} does not exist; create it")
        if path is not None and path.is_dir():
            raise InputError(f"{path} is a folder; name a file")


@contextmanager
def _progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns: list[Any] = [TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


def _bar(progress: Progress, first: str) -> Callable[[str, int, int | None], None]:
    """A bar whose description changes from step to step."""
    bar = progress.add_task(first, total=None)
    return lambda step, done, total: progress.update(bar, description=step, completed=done, total=total)


def _follow(progress: Progress, first: str) -> Report:
    """A bar that follows the reports of a training."""
    show = _bar(progress, first)
    return lambda report: show(report.phase, report.done, report.total)


@contextmanager
def _alerting(settings: Settings, title: str) -> Iterator[None]:
    """Tell whoever ``ECHO_ALERTS`` names that this failed, and go on failing."""
    from echo_ops.pipeline.alerts import notify

    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # what is not ours may hold users' code in its message: its kind alone is told
        why = str(error) if isinstance(error, EchoError) else f"stopped by {type(error).__name__}; see its output"
        notify(settings, f"Echo Ops: {title}", why)
        raise

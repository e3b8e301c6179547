"""The same steps without Airflow: the console script ``echo-ops``.

Exit status 0 on success; 2 and one clear line on bad input, with nothing written; 1 and one clear line when a server,
a store or the data of a day stopped it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from echo_ops.cli.common import (
    Day,
    alerting,
    bar,
    follow,
    load_settings,
    must_be_file,
    must_be_writable,
    parse_day,
    progress,
)
from echo_ops.cli.events import events_app, simulate_app
from echo_ops.errors import EchoError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turns what programmers do with a completion into a better model, every night.",
)
rollout_app = typer.Typer(no_args_is_help=True, help="Who gets which model.")
app.add_typer(events_app, name="events")
app.add_typer(simulate_app, name="simulate")
app.add_typer(rollout_app, name="rollout")

Policy = Annotated[str, typer.Option(help="When a gap closes: default or strict.")]


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    from echo_ops.events.migrate import migrate as apply
    from echo_ops.pipeline.database import database

    with database(load_settings()) as url:
        applied = apply(url)
    typer.echo("\n".join(f"applied {name}" for name in applied) or "nothing to apply: the schema is current")


@app.command()
def harvest(day: Day) -> None:
    """Harvest a day: Postgres → events → lifecycles → teacher → curation → examples, published in the lake."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.harvest import harvest as run

    settings, when = load_settings(), parse_day(day)
    with alerting(settings, f"harvest of {when} failed"), progress() as bars:
        manifest = run(when, settings, bar(bars, "plan"))
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

    must_be_file(events)
    must_be_writable(out)
    with progress() as bars:
        rows = reconstruct_file(events, policy, out, load_settings(), bar(bars, "read"))
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
            must_be_file(file)
    must_be_writable(out, dropped)
    given = {name: value for name, value in (("url", teacher_url), ("model", teacher_model)) if value is not None}
    settings = load_settings()
    settings = settings.model_copy(update={"teacher": settings.teacher.model_copy(update=given)})
    with progress() as bars:
        on_step = bar(bars, "judge")
        refined = refine_file(
            lifecycles, out, dropped, settings, cache, on_step, consents=consents, student=student_scores
        )
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

    report.show(report.replayed(run(parse_day(day), changes or [], load_settings())))


@app.command("base-model")
def base_model() -> None:
    """Make the small base model here, or say what it can do when it is there already."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.champion import make_base_model

    with progress() as bars:
        made = make_base_model(load_settings(), follow(bars, "base model"))
    report.show(report.base_model(made))


@app.command()
def train(
    day: Annotated[str | None, typer.Option(help="Last day of the window; default: the last published.")] = None,
) -> None:
    """Fine-tune the champion on the lessons of a window of days; register the result when it is better."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.train import last_published
    from echo_ops.pipeline.train import train as run

    settings = load_settings()
    when = parse_day(day) if day else last_published(settings)
    with alerting(settings, f"training on the days to {when} failed"), progress() as bars:
        result = run(when, settings, follow(bars, "assemble"))
    for table in (report.evaluation(result), report.slices(result)):
        report.show(table)
    typer.echo(result.reason)


@rollout_app.command("step")
def rollout_step() -> None:
    """Read the evidence, decide (advance, hold, roll back, promote), write the ledger, move the aliases."""
    from echo_ops.pipeline import report
    from echo_ops.pipeline.database import database
    from echo_ops.pipeline.promote import step

    settings = load_settings()
    with alerting(settings, "rollout step failed"), database(settings) as url:
        decision = step(settings, url)
    report.show(report.decision(decision))


@app.command("settings")
def show_settings() -> None:
    """Show every setting, its value here, and what it means."""
    from echo_ops.pipeline import report
    from echo_ops.settings import variables

    report.show(report.settings(variables(load_settings())))


@app.command()
def up() -> None:
    """Run Airflow, MLflow and Postgres on this machine until Ctrl-C."""
    from echo_ops.pipeline.up import up as run

    run(load_settings())


@app.command()
def demo(
    events: Annotated[Path | None, typer.Option(help="Somebody's real events instead of simulated ones.")] = None,
) -> None:
    """The whole loop once, through Airflow: telemetry → harvest → training → challenger → rollout."""
    from echo_ops.pipeline.demo import demo as run

    if events is not None:
        must_be_file(events)
    run(load_settings(), events)


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

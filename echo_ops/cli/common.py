"""What the commands share: reading their arguments, showing progress, telling whoever is on call."""

from __future__ import annotations

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

Day = Annotated[str, typer.Option(help="Day in UTC, YYYY-MM-DD.", metavar="DAY")]


def load_settings() -> Settings:
    from echo_ops.settings import load

    return load()


def parse_day(text: str) -> date:
    from echo_ops.pipeline.day import parse

    return parse(text)


def must_be_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path} is no file")


def must_be_writable(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"{path} cannot be written: the folder {path.absolute().parent} does not exist; create it")
        if path is not None and path.is_dir():
            raise InputError(f"{path} is a folder; name a file")


@contextmanager
def progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns: list[Any] = [TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


def bar(progress: Progress, first: str) -> Callable[[str, int, int | None], None]:
    """A bar whose description changes from step to step."""
    bar = progress.add_task(first, total=None)
    return lambda step, done, total: progress.update(bar, description=step, completed=done, total=total)


def follow(progress: Progress, first: str) -> Report:
    """A bar that follows the reports of a training."""
    show = bar(progress, first)
    return lambda report: show(report.phase, report.done, report.total)


@contextmanager
def alerting(settings: Settings, title: str) -> Iterator[None]:
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

"""The page "Echo Ops" in Airflow's UI: what became of the last days, and what the rollout decided last.

Counts, reasons and notes only; no text of a user. What cannot be read becomes a line on the page, so that one store
that is down does not hide the other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Any, TypeVar

from echo_ops.errors import EchoError, InputError
from echo_ops.pipeline.manifest import Manifest
from echo_ops.settings import Settings, load

DAYS = 14
TOP_REASONS = 3
COUNTS = ("events", "requests", "shown", "lifecycles", "kept")

T = TypeVar("T")
log = logging.getLogger(__name__)


def data_docs_page(day: str, path: str) -> str | None:
    """An HTML page of a day's data docs, as written on this machine; None where there is none of that name."""
    from echo_ops.pipeline.checks import data_docs_home

    root = data_docs_home(load()).resolve()
    file = (root / day / (path or "index.html")).resolve()
    if file.suffix != ".html" or not file.is_file() or file.parent == root or not file.is_relative_to(root):
        return None
    return file.read_text()


def page() -> str:
    """The page as of now, read from the lake and the ledger that the settings name. Raises nothing."""
    settings, trouble = _tried("the settings", load)
    if settings is None:
        return render({}, {}, days_trouble=trouble, rollout_trouble=trouble)
    days, days_trouble = _tried("the lake", lambda: _days(settings))
    figures, rollout_trouble = _tried("the rollout ledger", lambda: _figures(settings))
    docs = _tried("the data docs", lambda: _documented(settings))[0] or set()
    return render(days or {}, figures or {}, docs, days_trouble=days_trouble, rollout_trouble=rollout_trouble)


def render(
    days: Mapping[date, Manifest],
    figures: Mapping[str, Any],
    docs: Collection[date] = (),
    *,
    days_trouble: str | None = None,
    rollout_trouble: str | None = None,
) -> str:
    """HTML of the newest published days, newest first, and of the last decision; all values are escaped.

    Args:
        days: the published days, in any order; the newest 14 are shown.
        figures: ``Decision.figures()``; empty where there is none.
        docs: the days whose data docs can be read here.
        days_trouble: why the days could not be read.
        rollout_trouble: why there is no decision to show.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("echo_ops.pipeline", "."), autoescape=True, trim_blocks=True)
    return environment.get_template("console.html.j2").render(
        days=[_row(day, days[day]) for day in sorted(days, reverse=True)[:DAYS]],
        counts=COUNTS,
        docs={day.isoformat() for day in docs},
        stopped=sorted((day.isoformat() for day in docs if day not in days), reverse=True)[:DAYS],
        figures={name: _shown(value) for name, value in figures.items() if value is not None},
        days_trouble=days_trouble,
        rollout_trouble=rollout_trouble,
    )


def _row(day: date, manifest: Manifest) -> dict[str, Any]:
    reasons = sorted(manifest.dropped.items(), key=lambda reason: (-reason[1], reason[0]))
    lifecycles = manifest.rows.get("lifecycles", 0)
    return {
        "day": day.isoformat(),
        "rows": manifest.rows,
        "share": manifest.rows.get("kept", 0) / lifecycles if lifecycles else None,
        "dropped": sum(manifest.dropped.values()),
        "reasons": reasons[:TOP_REASONS],
        "further": len(reasons[TOP_REASONS:]),
        "notes": manifest.notes,
    }


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _days(settings: Settings) -> dict[date, Manifest]:
    from echo_ops.pipeline.harvest import published

    return published(settings)


def _documented(settings: Settings) -> set[date]:
    from echo_ops.pipeline.checks import data_docs_home

    pages = data_docs_home(settings).glob("????-??-??/index.html")
    return {date.fromisoformat(page.parent.name) for page in pages}


def _figures(settings: Settings) -> Mapping[str, Any]:
    from echo_ops.pipeline.promote import latest

    if settings.postgres.url is None:  # a page starts no server
        raise InputError("ECHO_POSTGRES_URL is not set, so there is no ledger to read; set it to the events' database")
    decision = latest(settings, settings.postgres.url.get_secret_value())
    return decision.figures() if decision else {}


def _tried(what: str, read: Callable[[], T]) -> tuple[T | None, str | None]:
    """What ``read`` gives, or a line that says why it gives nothing."""
    try:
        return read(), None
    except EchoError as error:
        return None, str(error)
    except Exception as error:  # its message may hold anything: it goes to the log of the server only
        log.exception("cannot read %s", what)
        return None, f"{what} cannot be read ({type(error).__name__}); the API server's log says why"

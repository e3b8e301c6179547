"""Tell people that a day was stopped or a run failed: chat, pager, mail or web hook, through Apprise.

Whom to tell is ``ECHO_ALERTS``. What is told holds no users' text and no secret. A channel that is broken never hides
what it should have told: it costs one line in the log, and the original error goes on its way.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from echo_ops.errors import EchoError, InputError
from echo_ops.settings import Settings, load

_LOG = logging.getLogger(__name__)

LONGEST_BODY = 2000
"""Characters; most channels cut or refuse more."""

LONGEST_WAIT = 20.0
"""Seconds for all channels together: an alert must not hold a worker."""

_BETWEEN = re.compile(r"[\s,]+(?=[\w.+-]+://)|\s+")
"""Between two channels: a comma inside a URL (mail to several) is none. What is no URL counts, as a broken channel."""

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


def notify(settings: Settings, title: str, body: str) -> bool:
    """Send a message to everybody whom ``settings.alerts`` names (URLs with commas or spaces between).

    Never raises. True when every channel took it; False when none is named, or one is broken, which is logged in one
    line without its URL: the URL is the key to the channel.
    """
    urls = settings.alerts.get_secret_value().strip() if settings.alerts else ""
    if not urls:
        return False
    try:
        with _silent_libraries():
            named, taken = _send(urls, title, _CREDENTIALS.sub("***@", body)[:LONGEST_BODY])
    except Exception as error:
        _LOG.warning("alert %r was not sent: %s; check ECHO_ALERTS", title, type(error).__name__)
        return False
    if taken < named:
        _LOG.warning("alert %r was taken by %d of %d channels; check ECHO_ALERTS", title, taken, named)
    return taken == named


def dag_failed(context: Mapping[str, Any]) -> None:
    """``on_failure_callback`` of a DAG or of a task: tells which run failed, for which day, where, and why.

    Only a task's own callback is told the error by Airflow; for a DAG the failed task and a link must do.
    """
    try:
        title, body = failure(context)
        notify(load(), title, body)
    except Exception as error:  # Airflow would print the callback's failure in place of the run's
        _LOG.warning("the failure of a run was not told to anybody: %s", type(error).__name__)


def failure(context: Mapping[str, Any]) -> tuple[str, str]:
    """Title and body of the message about a failed run, from Airflow's context."""
    from echo_ops.pipeline import day as days

    run, task = context.get("dag_run"), context.get("ti") or context.get("task_instance")
    dag_id = getattr(context.get("dag"), "dag_id", None) or getattr(run, "dag_id", None) or "a DAG"
    run_id = context.get("run_id") or getattr(run, "run_id", None)
    try:
        day = days.resolve(context).isoformat()
    except InputError:
        day = ""
    map_index = getattr(task, "map_index", None)
    shard = f" [{map_index}]" if isinstance(map_index, int) and map_index >= 0 else ""
    facts = {
        "run": run_id,
        "day": day,
        "task": f"{task.task_id}{shard}" if task is not None else "",
        "error": _error(context),
        "see": getattr(task, "log_url", None) or _run_url(dag_id, run_id),
    }
    title = f"Echo Ops: {dag_id} failed" + (f" for {day}" if day else "")
    return title, "\n".join(f"{name}: {fact}" for name, fact in facts.items() if fact)


def _send(urls: str, title: str, body: str) -> tuple[int, int]:
    """How many channels are named, and how many took the message."""
    from apprise import Apprise, NotifyFormat, NotifyType

    named = [url for part in _BETWEEN.split(urls) if (url := part.strip(","))]
    taken = 0
    for url in named:
        channel = Apprise()
        taken += bool(
            channel.add(url)
            and channel.notify(
                body=body,
                title=title,
                notify_type=NotifyType.FAILURE,
                body_format=NotifyFormat.TEXT,
                timeout=LONGEST_WAIT / len(named),
            )
        )
    return len(named), taken


@contextmanager
def _silent_libraries() -> Iterator[None]:
    """Apprise logs the URL of a channel that it cannot read; urllib3 logs paths, which hold keys of web hooks."""
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3.connectionpool")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _error(context: Mapping[str, Any]) -> str:
    """Why it failed, in words that hold no users' text: those of our own errors, else only the error's type."""
    error = context.get("exception")
    if isinstance(error, EchoError):
        return str(error)
    if isinstance(error, BaseException):
        return f"{type(error).__name__}; the task's log says more"
    return str(error or context.get("reason") or "").partition("\n")[0]


def _run_url(dag_id: str, run_id: object) -> str | None:
    """The run's page in Airflow, where the address of Airflow is configured."""
    from urllib.parse import quote

    from airflow.configuration import conf

    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}/dags/{quote(dag_id)}/runs/{quote(str(run_id), safe='')}" if base and run_id else None

"""Alerts reach a real web hook, hold no secret, and never get in the way of the error that they tell of."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from echo_ops.errors import QualityError
from echo_ops.pipeline import alerts
from echo_ops.settings import Settings

KEY = "k3y-of-the-hook"
ERROR = QualityError("2026-11-02: events failed 1 critical expectation(s)\n- events of the day: 0; wanted at least 1")


class Hook:
    """A web hook on loopback that answers with one status and keeps what it was told."""

    def __init__(self, server: HTTPServer, told: list[dict[str, Any]]) -> None:
        self.server, self.told, self.status = server, told, 200

    @property
    def url(self) -> str:
        return f"json://user:{KEY}@127.0.0.1:{self.server.server_port}/{KEY}"


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Hook(server, [])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


def settings(urls: str | None) -> Settings:
    return Settings(alerts=urls)


def lines_of_ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == alerts.__name__]


def test_every_named_channel_is_told(hook: Hook) -> None:
    assert alerts.notify(settings(f"{hook.url}, {hook.url} {hook.url}"), "a day was stopped", "why")
    assert [(told["title"], told["message"]) for told in hook.told] == [("a day was stopped", "why")] * 3


@pytest.mark.parametrize("urls", [None, "", "  "])
def test_nobody_is_told_where_nobody_is_named(urls: str | None, caplog: pytest.LogCaptureFixture) -> None:
    assert not alerts.notify(settings(urls), "a day was stopped", "why")
    assert caplog.records == []


@pytest.mark.parametrize(
    "broken",
    [
        f"json://user:{KEY}@127.0.0.1:9/{KEY}",
        f"nosuchservice://{KEY}",
        f"slack://{KEY}",
        KEY,
    ],
    ids=["refuses connections", "unknown", "incomplete", "no URL"],
)
def test_a_broken_channel_costs_one_line_without_its_url_and_the_others_are_told(
    broken: str, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert not alerts.notify(settings(f"{broken}, {hook.url}"), "a day was stopped", "why")
    assert len(lines_of_ours(caplog)) == 1
    assert "1 of 2 channels" in lines_of_ours(caplog)[0]
    assert KEY not in caplog.text
    assert len(hook.told) == 1


def test_a_channel_that_refuses_the_message_is_broken(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    hook.status = 500
    assert not alerts.notify(settings(hook.url), "a day was stopped", "why")
    assert "0 of 1 channels" in lines_of_ours(caplog)[0]


def test_a_library_that_breaks_hides_nothing(
    hook: Hook, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> tuple[int, int]:
        raise RuntimeError(f"cannot reach {hook.url}")

    monkeypatch.setattr(alerts, "_send", broken)
    assert not alerts.notify(settings(hook.url), "a day was stopped", "why")
    assert lines_of_ours(caplog) == ["alert 'a day was stopped' was not sent: RuntimeError; check ECHO_ALERTS"]


def test_passwords_in_urls_are_taken_out_and_long_bodies_cut(hook: Hook) -> None:
    assert alerts.notify(settings(hook.url), "t", f"no answer from postgresql://echo:{KEY}@db/echo " + "x" * 9000)
    message = hook.told[0]["message"]
    assert message.startswith("no answer from postgresql://***@db/echo")
    assert len(message) <= alerts.LONGEST_BODY


def context(**more: Any) -> dict[str, Any]:
    return {
        "dag": SimpleNamespace(dag_id="echo_harvest"),
        "dag_run": SimpleNamespace(run_id="scheduled__1", partition_key="2026-11-02"),
        "ti": SimpleNamespace(task_id="check_lifecycles", map_index=-1, log_url="http://localhost:8080/dags/x"),
        "params": {},
        **more,
    }


def test_a_failed_task_is_told_with_its_day_its_error_and_where_to_look(hook: Hook, monkeypatch: Any) -> None:
    monkeypatch.setenv("ECHO_ALERTS", hook.url)
    alerts.dag_failed(context(exception=ERROR))
    assert hook.told[0]["title"] == "Echo Ops: echo_harvest failed for 2026-11-02"
    assert hook.told[0]["message"].splitlines() == [
        "run: scheduled__1",
        "day: 2026-11-02",
        "task: check_lifecycles",
        *f"error: {ERROR}".splitlines(),
        "see: http://localhost:8080/dags/x",
    ]


def test_a_failed_dag_is_told_with_the_little_that_airflow_says(monkeypatch: Any) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example/")
    dag = SimpleNamespace(dag_id="echo_train")
    title, body = alerts.failure({"dag": dag, "run_id": "manual__2026-11-02T00:00:00+00:00", "reason": "timed_out"})
    assert title == "Echo Ops: echo_train failed"
    assert body.splitlines() == [
        "run: manual__2026-11-02T00:00:00+00:00",
        "error: timed_out",
        "see: http://airflow.example/dags/echo_train/runs/manual__2026-11-02T00%3A00%3A00%2B00%3A00",
    ]


def test_a_mapped_task_names_its_shard() -> None:
    mapped = SimpleNamespace(task_id="extract", map_index=3)
    assert "task: extract [3]" in alerts.failure(context(ti=mapped))[1]


def test_an_error_that_is_not_ours_may_hold_users_text_and_is_named_by_its_type_alone() -> None:
    _, body = alerts.failure(context(exception=ValueError(f"could not parse {KEY}")))
    assert "error: ValueError; the task's log says more" in body
    assert KEY not in body


def test_a_context_that_breaks_everything_does_not_raise(caplog: pytest.LogCaptureFixture) -> None:
    alerts.dag_failed(context(ti=object()))
    assert len(lines_of_ours(caplog)) == 1

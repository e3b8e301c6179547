"""The page in Airflow's UI: order, escaping, what it says when there is nothing, and what its plugin imports."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from echo_ops.pipeline import console
from echo_ops.pipeline.manifest import Manifest

PLUGIN = Path(__file__).parents[3] / "plugins/echo_console.py"
HEAVY = ("pandas", "deltalake", "mlflow", "torch", "great_expectations", "fastapi")


def manifest(day: date, **changes: object) -> Manifest:
    rows = {"events": 38285, "requests": 200, "shown": 150, "lifecycles": 200, "kept": 50}
    return Manifest.from_dict(
        {"step": "harvest", "day": day.isoformat(), "rows": rows, "dropped": {"overlap": 150}} | changes
    )


def test_the_newest_14_days_newest_first() -> None:
    days = [date(2026, 11, 1) + timedelta(days=n) for n in range(20)]
    html = console.render({day: manifest(day) for day in days}, {})
    assert re.findall(r"<td class=\"number\">(2026-\d\d-\d\d)</td>", html) == [
        day.isoformat() for day in reversed(days[6:])
    ]


def test_counts_share_and_top_reasons() -> None:
    day = date(2026, 11, 2)
    dropped = {"duplicate": 9, "overlap": 75, "ambiguous": 29, "void_share": 37}
    html = console.render({day: manifest(day, dropped=dropped)}, {})
    assert "38,285" in html
    assert "25.0 %" in html
    assert '<rect class="kept" width="25.00"' in html
    assert re.findall(r"<small>(\w+ \d+)</small>", html) == ["overlap 75", "void_share 37", "ambiguous 29"]
    assert "and 1 more reason<" in html


def test_a_day_without_lifecycles_has_no_bar() -> None:
    day = date(2026, 11, 2)
    assert "<svg" not in console.render({day: manifest(day, rows={"lifecycles": 0, "kept": 0})}, {})


def test_everything_is_escaped() -> None:
    day, bad = date(2026, 11, 2), "<script>alert(1)</script>"
    pages = [
        console.render({day: manifest(day, notes=[bad], dropped={bad: 1})}, {bad: bad}),
        console.render({}, {}, days_trouble=bad, rollout_trouble=bad),
    ]
    for html, times in zip(pages, (4, 2), strict=True):
        assert "<script" not in html
        assert html.count("&lt;script&gt;") == times


def test_empty() -> None:
    html = console.render({}, {})
    assert "No day is published yet" in html
    assert "Nothing is decided yet" in html


def test_a_decision() -> None:
    html = console.render({}, {"decision": "hold", "champion shown": 1200, "difference": 0.01236, "notes": None})
    assert re.findall(r"<th scope=\"row\">(.*?)</th><td class=\"number\">(.*?)</td>", html) == [
        ("decision", "hold"),
        ("champion shown", "1,200"),
        ("difference", "0.01236"),
    ]


def test_what_cannot_be_read_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ValueError("postgresql://echo:secret@host/db")

    monkeypatch.setenv("ECHO_HOME", str(tmp_path))
    monkeypatch.delenv("ECHO_POSTGRES_URL", raising=False)
    monkeypatch.setattr(console, "_days", broken)
    html = console.page()
    assert "the lake cannot be read (ValueError)" in html
    assert "ECHO_POSTGRES_URL is not set" in html
    assert "secret" not in html


def test_the_plugin_imports_nothing_heavy() -> None:
    program = f"import runpy, sys; runpy.run_path({str(PLUGIN)!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(loaded.stdout.split())


def test_data_docs_are_linked_and_read_from_their_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_HOME", str(tmp_path))
    page = tmp_path / "data-docs" / "2026-11-02" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("the day")
    (page.parent / "report.json").write_text("{}")
    (tmp_path / "secret.html").write_text("secret")
    (tmp_path / "data-docs" / "secret.html").write_text("secret")
    assert console.data_docs_page("2026-11-02", "") == "the day"
    assert console.data_docs_page("2026-11-02", "index.html") == "the day"
    for day, path in (
        ("2026-11-02", "../../secret.html"),
        ("..", "secret.html"),
        (".", "secret.html"),
        ("2026-11-02", "report.json"),
        ("2026-11-03", ""),
        ("2026-11-02", str(tmp_path / "secret.html")),
    ):
        assert console.data_docs_page(day, path) is None
    published, stopped = date(2026, 11, 2), date(2026, 11, 3)
    html = console.render({published: manifest(published)}, {}, {published, stopped})
    assert '<a href="data-docs/2026-11-02/">2026-11-02</a>' in html
    assert 'not published:\n<a href="data-docs/2026-11-03/">' in html

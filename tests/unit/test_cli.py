"""The command line: help everywhere, one clear line on bad input, and then nothing written."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from echo_ops.cli import app, main


def commands(group: typer.Typer = app, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield (*before, command.name or command.callback.__name__)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, (*before, str(inner.name)))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["echo-ops", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert run(monkeypatch, *command, "--help") == 0
    assert "Usage: echo-ops" in capsys.readouterr().out


def not_parquet(folder: Path) -> Path:
    file = folder / "not.parquet"
    file.write_text("hello")
    return file


def without_columns(folder: Path) -> Path:
    file = folder / "few.parquet"
    pq.write_table(pa.table({"event_id": ["a"], "request_id": ["b"]}), file)
    return file


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["harvest"], "Missing option '--day'"),
        (["harvest", "--day", "yesterday"], "'yesterday' is no day"),
        (["no-such-command"], "No such command"),
        (["train", "--day", "2026-02-30"], "'2026-02-30' is no day"),
        (["events", "load", "{folder}/nowhere.parquet"], "nowhere.parquet is no file"),
        (["reconstruct", "{folder}/nowhere.parquet", "--out", "{folder}/out.parquet"], "is no file"),
        (["reconstruct", "{bad}", "--out", "{folder}/out.parquet"], "cannot be read as Parquet"),
        (["reconstruct", "{few}", "--out", "{folder}/out.parquet"], "column kind"),
        (["reconstruct", "{few}", "--out", "{folder}/out.parquet", "--policy", "lax"], "policy 'lax' is unknown"),
        (["reconstruct", "{few}", "--out", "{folder}/no/out.parquet"], "does not exist; create it"),
        (["refine", "{few}", "--out", "{folder}/out.parquet", "--dropped", "{folder}/d.parquet"], "document_id"),
        (["refine", "{bad}", "--out", "{folder}/out.parquet", "--dropped", "{folder}/d.parquet"], "as Parquet"),
        (["simulate", "events", "--days", "0", "--users", "1", "--out", "{folder}/out.parquet"], "--days"),
        (["simulate", "events", "--days", "1", "--users", "1", "--out", "{folder}"], "is a folder"),
        (["demo", "--events", "{folder}/nowhere.parquet"], "is no file"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.setenv("ECHO_HOME", str(tmp_path / "home"))
    places = {"folder": tmp_path, "bad": not_parquet(tmp_path), "few": without_columns(tmp_path)}
    before = sorted(tmp_path.rglob("*"))
    assert run(monkeypatch, *(argument.format(**places) for argument in arguments)) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert says in lines[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_wrong_setting_is_bad_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ECHO_HARVEST_GRACE_HOURS", "many")
    assert run(monkeypatch, "harvest", "--day", "2026-11-02") == 2
    assert "ECHO_HARVEST_GRACE_HOURS" in capsys.readouterr().err


def test_settings_are_shown_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ECHO_POSTGRES_URL", "postgresql://echo:hunter2@db/echo")
    assert run(monkeypatch, "settings") == 0
    shown = capsys.readouterr().out
    assert "ECHO_POSTGRES_URL" in shown
    assert "hunter2" not in shown

"""``events import``: what comes out is a file of events that can be reconstructed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from echo_ops.cli import main
from echo_ops.errors import InputError
from echo_ops.events.admission import admit
from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.pipeline import imports
from echo_ops.schema.events import EVENTS

FIXTURES = Path(__file__).parents[1] / "events" / "fixtures"
FILES = {
    "continue": ("continue-autocomplete.jsonl", "continue-next-edit.jsonl"),
    "tabby": ("tabby.jsonl",),
    "zed": ("zed.jsonl", "zed.md"),
    "copilot-recording": ("copilot.workspaceRecording.jsonl", "copilot.recording.w.json"),
}


def imported(name: str, out: Path, key: Path | None = None) -> imports.Imported:
    return imports.import_files(name, [FIXTURES / file for file in FILES[name]], out, key, lambda done, total: None)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["echo-ops", "events", "import", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


GROSS = (
    "return net(lines) * TAX[country]\n\n\ndef discount(lines, owner):\n"
    "    rate = 0.05 if owner.is_member else 0\n    return net(lines) * rate\n"
)
DISCOUNT = "rate = 0.05 if owner.is_member else 0\n    return net(lines) * rate\n"
LAST = "return net(lines) * rate\n"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "continue",  # evidence is in later requests of the file: none follows the fourth, the fifth, the last
            [
                ("accepted", GROSS, 1.0, "requests"),
                ("rejected", DISCOUNT, 0.875, "requests"),
                ("accepted", LAST, 1.0, "requests"),
                ("ignored", None, None, "requests"),
                ("accepted", None, None, "requests"),
                ("accepted", "2\nd", 1.0, "requests"),
                ("rejected", None, None, "requests"),
            ],
        ),
        (
            "tabby",
            [
                ("accepted", GROSS, 1.0, "requests"),
                ("rejected", DISCOUNT, 0.75, "requests"),
                ("partially_accepted", LAST, 1.0, "requests"),
                ("not_shown", None, None, "requests"),
            ],
        ),
        (
            "zed",  # the Markdown example has no time and comes first
            [
                ("not_shown", ": Vec<Door>,", None, "edits"),
                ("not_shown", "width * self.depth", None, "edits"),
                ("rejected", None, None, "requests"),
                ("ignored", "width * self.depth", 1.0, "edits"),
            ],
        ),
        (
            "copilot-recording",
            [
                ("not_shown", "2;", None, "edits"),
                ("accepted", "or.unlock();\n\trun()", 18 / 27, "edits"),
                ("not_shown", "run()", None, "edits"),
                ("ignored", "un()", 2 / 11, "edits"),
            ],
        ),
    ],
)
def test_each_fixture_reconstructs(tmp_path: Path, name: str, wanted: list[tuple[Any, ...]]) -> None:
    out = tmp_path / "events.parquet"
    result = imported(name, out)
    lifecycles = reconstruct(pq.read_table(out)).to_pylist()
    found = [(row["decision"], row["committed"], row["kept_rate"], row["evidence"]) for row in lifecycles]
    assert found == wanted
    assert result.requests == len(wanted)


@pytest.mark.parametrize("name", FILES)
def test_events_load_would_take_every_row_and_a_rerun_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    imported(name, one)
    imported(name, two)
    assert one.read_bytes() == two.read_bytes()
    table = pq.read_table(one)
    assert table.schema.equals(EVENTS)
    for batch in table.to_batches():
        assert admit(batch, "f").refused.num_rows == 0


def test_row_groups_bound_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = tmp_path / "whole.parquet", tmp_path / "parts.parquet"
    imported("tabby", whole)
    monkeypatch.setattr(imports, "GROUP_ROWS", 3)
    imported("tabby", parts)
    assert pq.ParquetFile(parts).num_row_groups == 4
    assert pq.read_table(parts) == pq.read_table(whole)
    monkeypatch.setattr(imports, "GROUP_CHARACTERS", 1)
    imported("tabby", parts)
    assert pq.ParquetFile(parts).num_row_groups == 10


def test_progress_ends_with_all_bytes(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    files = [FIXTURES / file for file in FILES["zed"]]
    imports.import_files("zed", files, tmp_path / "o.parquet", None, lambda done, total: seen.append((done, total)))
    size = sum(file.stat().st_size for file in files)
    assert seen[-1] == (size, size)


def test_a_bad_line_late_in_the_file_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "GROUP_ROWS", 1)  # some groups are written before the bad line is read
    log, out = tmp_path / "log.jsonl", tmp_path / "out.parquet"
    log.write_text((FIXTURES / "tabby.jsonl").read_text() + '{"secret": ')
    out.write_text("before")
    with pytest.raises(InputError, match="line 14: no JSON") as refused:
        imports.import_files("tabby", [log], out, None, lambda done, total: None)
    assert "secret" not in str(refused.value)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "out.parquet"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{empty}", "--format", "continue"], "no request for a completion in 0 records"),
        (
            ["{chat}", "--format", "tabby"],
            "no request for a completion in 1 records (1 chat_completion: no completion)",
        ),
        (["{folder}", "--format", "zed"], "is no file"),
        (["{folder}/nowhere", "--format", "zed"], "is no file"),
        (["{empty}", "--format", "vim"], "format 'vim' is unknown; known are continue, tabby, zed, copilot-recording"),
        (["{log}", "--format", "tabby", "--key", "{empty}"], "holds 0 bytes, a key has at least 16"),
        (["{log}", "--format", "tabby", "--key", "{folder}"], "cannot be read"),
        (["{empty}", "{out}", "--format", "continue"], "is also read; name another file for --out"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    says: str,
) -> None:
    places = {"empty": tmp_path / "empty.jsonl", "chat": tmp_path / "chat.jsonl", "folder": tmp_path}
    places["empty"].touch()
    chat = {"user": None, "ts": 1, "event": {"chat_completion": {}}}
    places["chat"].write_text(json.dumps(chat) + "\n")
    out = tmp_path / "out.parquet"
    if "{out}" in arguments:
        out.touch()
    told = [text.format(**places, out=out, log=FIXTURES / "tabby.jsonl") for text in arguments]
    assert run(monkeypatch, *told, "--out", str(out)) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not out.exists() or out.read_bytes() == b""


def test_the_command_tells_counts_and_losses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef\n")
    log, out = str(FIXTURES / "tabby.jsonl"), tmp_path / "out.parquet"
    assert run(monkeypatch, log, "--format", "tabby", "--out", str(out)) == 0
    told = capsys.readouterr().out
    for text in ("records", "13", "skipped", "chat_completion: no completion", "the log names no model", "--key"):
        assert text in told
    assert f"10 events, 4 requests → {out}" in told
    assert run(monkeypatch, log, "--format", "tabby", "--out", str(out), "--key", str(key)) == 0
    assert "--key" not in capsys.readouterr().out

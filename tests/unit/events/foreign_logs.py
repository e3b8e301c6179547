"""The fixtures of the importers' tests, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from echo_ops.events.formats import read
from echo_ops.events.formats.identity import Pseudonyms
from echo_ops.events.formats.port import Notes, Source

FIXTURES = Path(__file__).parent / "fixtures"
FILES = {
    "continue": ("continue-autocomplete.jsonl", "continue-next-edit.jsonl"),
    "tabby": ("tabby.jsonl",),
    "zed": ("zed.jsonl", "zed.md"),
    "copilot-recording": ("copilot.workspaceRecording.jsonl", "copilot.recording.w.json"),
}
START = 1_763_726_400_000  # milliseconds; the first time in the fixtures


def events(name: str, *paths: Path, key: bytes = b"") -> tuple[list[dict[str, Any]], Notes]:
    notes = Notes()
    return list(read(name, [Source(path) for path in paths], Pseudonyms(key), notes)), notes


def fixture(name: str, key: bytes = b"") -> tuple[list[dict[str, Any]], Notes]:
    return events(name, *(FIXTURES / file for file in FILES[name]), key=key)


def written(folder: Path, records: Sequence[object], name: str = "log.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def lines(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIXTURES / file).read_text().splitlines()]


def kinds(rows: list[dict[str, Any]]) -> list[str]:
    return [row["kind"] for row in rows]

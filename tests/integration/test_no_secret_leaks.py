"""Secrets and personal data are planted in events, a day is harvested, and everything that is kept is searched."""

import json
import logging
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.events.load import load as load_events
from echo_ops.lake.tables import Lake
from echo_ops.pipeline.harvest import harvest
from echo_ops.schema.events import EVENTS
from echo_ops.settings import Settings
from echo_ops.simulate.secrets import Planted, positives
from echo_ops.simulate.simulate import write

DAY = date(2026, 11, 2)
PLACES = ("prefix", "suffix", "committed", "proposal")


def events_with(planted: Planted, number: int, place: str) -> list[dict[str, object]]:
    """A document with one request, and a value in one of its texts."""
    texts = dict.fromkeys(PLACES, "") | {
        "committed": f"run({number})",
        "proposal": f"walk({number})",
        place: planted.text,
    }
    prefix, suffix = f"x_{number} = 1\n{texts['prefix']}\n", f"\n{texts['suffix']}\nend({number})\n"
    request = str(UUID(int=(7 << 96) + number))
    shown = {"request_id": request, "proposal": texts["proposal"], "caret": len(prefix)}
    rows: list[dict[str, object]] = [
        {"kind": "opened", "prefix": "", "suffix": prefix + suffix, "caret": 0},
        {"kind": "requested", "request_id": request, "prefix": prefix, "suffix": suffix, "caret": len(prefix)},
        {"kind": "shown", **shown, "replace_start": len(prefix), "replace_end": len(prefix)},
        {"kind": "ignored", **shown},
        {"kind": "changed", "edits": json.dumps([[len(prefix), len(prefix), texts["committed"]]]), "cause": "typing"},
        {"kind": "closed"},
    ]
    at = datetime.combine(DAY, time(9), tzinfo=UTC) + timedelta(seconds=number)
    return [
        {
            **dict.fromkeys(EVENTS.names),
            "event_id": str(UUID(int=(8 << 96) + number * 100 + seq)),
            "occurred_at": at + timedelta(seconds=seq),
            "received_at": at + timedelta(seconds=seq + 1),
            "user_id": f"user-{number % 40}",
            "session_id": f"session-{number}",
            "document_id": f"document-{number}",
            "seq": seq,
            "version": seq,
            "language": planted.language,
            "repository": f"repository-{number % 9}",
            "document_length": len(prefix + suffix) + (len(texts["committed"]) if seq >= 4 else 0),
            "offset_unit": "code-point",
            **row,
        }
        for seq, row in enumerate(rows)
    ]


def test_nothing_that_is_planted_is_kept(
    database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    planted = list(positives(seed=9, each=4))
    rows = [row for number, one in enumerate(planted) for row in events_with(one, number, PLACES[number % 4])]
    pq.write_table(pa.Table.from_pylist(rows, EVENTS), tmp_path / "planted.parquet")
    write(tmp_path / "simulated.parquet", None, days=1, users=3, seed=5, start=DAY)
    load_events(database_url, [tmp_path / "planted.parquet", tmp_path / "simulated.parquet"])
    settings = Settings(home=tmp_path / "home").with_postgres(database_url)
    settings = settings.model_copy(update={"harvest": settings.harvest.model_copy(update={"processes": 1})})
    manifest = harvest(DAY, settings)

    lake = Lake(settings.lake_uri)
    values = {one.value for one in planted}
    before = text_of(lake, "lifecycles")
    assert sum(value in before for value in values) > 0.9 * len(values)  # it was there to be found
    assert "<SECRET_1>" in text_of(lake, "examples")
    kept = {table: text_of(lake, table) for table in ("examples", "dropped", "scores", "verdicts", "days")}
    kept |= {
        path.name: path.read_text(errors="replace")
        for path in (settings.home / "data-docs").rglob("*")
        if path.is_file()
    }
    said = capfd.readouterr()
    kept |= {"stdout": said.out, "stderr": said.err, "log": caplog.text, "manifest": manifest.to_json()}
    found = {name: [one.kind for one in planted if one.value in text] for name, text in kept.items()}
    assert not any(found.values()), found


def text_of(lake: Lake, table: str) -> str:
    """All texts of a table, one after the other."""
    rows = (row for batch in lake.read(table) for row in batch.to_pylist())
    return "\n".join(str(value) for row in rows for value in row.values())

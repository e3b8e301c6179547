"""Secrets and personal data are planted in events, a day is harvested and trained on, and everything that is kept is
searched: tables, pages, logs, checkpoints, and what MLflow holds."""

import json
import logging
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.events.load import load as load_events
from echo_ops.lake.tables import Lake
from echo_ops.pipeline.assemble import assemble
from echo_ops.pipeline.harvest import harvest
from echo_ops.pipeline.train import evaluate, finetune, register
from echo_ops.schema.events import EVENTS
from echo_ops.settings import Settings
from echo_ops.simulate.secrets import Planted, positives
from echo_ops.simulate.simulate import write
from echo_ops.training.compare import compare

pytestmark = pytest.mark.slow

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
    database_url: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    planted = list(positives(seed=9, each=4))
    rows = [row for number, one in enumerate(planted) for row in events_with(one, number, PLACES[number % 4])]
    pq.write_table(pa.Table.from_pylist(rows, EVENTS), tmp_path / "planted.parquet")
    write(tmp_path / "simulated.parquet", None, days=1, users=3, seed=5, start=DAY)
    load_events(database_url, [tmp_path / "planted.parquet", tmp_path / "simulated.parquet"])
    training = {"max_steps": 3, "batch_size": 4, "context_tokens": 256, "max_new_tokens": 8, "evaluation_rows": 12}
    changed = {"harvest": {"processes": 1}, "training": training | {"threads": 1}, "base_model": str(tmp_path / "tiny")}
    settings = Settings.model_validate({"home": tmp_path / "home", **changed}).with_postgres(database_url)
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
    assert_holds_none(kept, planted)

    make_tiny_model(tmp_path / "tiny")
    assemble(DAY, settings)
    finetune(DAY, settings)
    evaluate(DAY, settings)
    night = written_below(settings.home)
    assert {"training/2026-11-02/train.parquet", "training/2026-11-02/checkpoint/model.safetensors"} <= night.keys()
    assert "<SECRET_1>" in night["training/2026-11-02/train.parquet"]
    monkeypatch.setattr("echo_ops.training.compare.compare", lambda *given: replace(compare(*given), better=True))
    assert register(DAY, settings).registered
    after = written_below(settings.home)
    assert "mlflow/mlflow.db" in after
    assert sum("mlflow/artifacts" in name and name.endswith(".safetensors") for name in after) >= 2
    assert {"comparison.json", "assembled.json", "finetuned.json"} <= {Path(name).name for name in after}
    assert any("examples train to 2026-11-02" in text for name, text in after.items() if "mlflow.db" in name)
    assert {"loss.png", "kept_by_length.png", "acceptance_by_day.png"} <= {Path(name).name for name in after}
    (card,) = [text for name, text in after.items() if name.endswith("model_card.md")]
    for part in ("| kept rate | ", "| language ", "| user learned from | ", "plots/loss.png"):
        assert part in card
    assert_nested(settings)
    said = capfd.readouterr()
    logged = {"stdout": said.out, "stderr": said.err, "log": caplog.text}
    assert_holds_none({f"in training: {name}": text for name, text in night.items()} | after | logged, planted)


def assert_nested(settings: Settings) -> None:
    """One run for the night, its parts below it, and the version described and tagged."""
    from mlflow import MlflowClient

    client = MlflowClient(settings.tracking_uri)
    experiment = client.get_experiment_by_name(settings.mlflow.experiment)
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    night = runs.pop(f"nightly {DAY}")
    assert runs.keys() == {"finetune", "evaluate champion", "evaluate challenger"}
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {night.info.run_id}
    assert {run.info.status for run in (night, *runs.values())} == {"FINISHED"}
    assert {"train.loss", "train.tokens"} <= runs["finetune"].data.metrics.keys()
    assert night.data.metrics["champion.saved_share"] == runs["evaluate champion"].data.metrics["saved_share"]
    assert any(name.startswith("challenger.language.") for name in night.data.metrics)
    version = client.get_model_version_by_alias(settings.mlflow.model_name, "challenger")
    assert version.description.startswith(f"# {settings.mlflow.model_name}/2 of {DAY}")
    assert {"echo.lake.examples", "echo.champion", "mlflow.source.git.commit"} <= version.tags.keys()


def assert_holds_none(texts: dict[str, str], planted: list[Planted]) -> None:
    """No text holds a planted value, as it is or as JSON has it."""
    forms = {form: one.kind for one in planted for form in (one.value, json.dumps(one.value)[1:-1])}
    found = {name: [kind for form, kind in forms.items() if form in text] for name, text in texts.items()}
    assert not any(found.values()), {name: kinds for name, kinds in found.items() if kinds}


def make_tiny_model(folder: Path) -> None:
    """A random model with a tokenizer of its own."""
    import torch

    from echo_ops.training.base_model import Recipe, architecture, train_tokenizer
    from echo_ops.training.fim import Layout

    torch.manual_seed(0)
    tokenizer = train_tokenizer([Path(json.__file__).read_text()], 320)
    architecture(Recipe(width=32, layers=1, head=16, inner=64), Layout(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def written_below(home: Path) -> dict[str, str]:
    """What each file holds, Parquet files unpacked; without the lake, whose lifecycles are as users wrote them."""
    return {
        path.relative_to(home).as_posix(): contents(path)
        for path in home.rglob("*")
        if path.is_file() and home / "lake" not in path.parents
    }


def contents(path: Path) -> str:
    """The bytes of a file as text."""
    if path.suffix != ".parquet":
        return path.read_bytes().decode(errors="replace")
    return "\n".join(str(value) for row in pq.read_table(path).to_pylist() for value in row.values())


def text_of(lake: Lake, table: str) -> str:
    """All texts of a table, one after the other."""
    rows = (row for batch in lake.read(table) for row in batch.to_pylist())
    return "\n".join(str(value) for row in rows for value in row.values())

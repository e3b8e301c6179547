"""Reconstruction of files: in memory or not, in one process or several, the same lifecycles."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import InputError, SchemaError
from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.pipeline import files, spill
from echo_ops.pipeline.files import reconstruct_file
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.settings import Harvest, Settings
from echo_ops.simulate.simulate import write

ORDER = [("requested_at", "ascending"), ("request_id", "ascending")]


@pytest.fixture(scope="module")
def events_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("events") / "events.parquet"
    write(file, None, days=1, users=2, seed=7)
    return file


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", harvest=Harvest(processes=1))


def test_a_small_file_is_reconstructed_in_memory(events_file: Path, settings: Settings, tmp_path: Path) -> None:
    rows = reconstruct_file(events_file, "strict", tmp_path / "out.parquet", settings)
    wanted = reconstruct(pq.read_table(events_file), policy="strict")
    assert pq.read_table(tmp_path / "out.parquet").equals(wanted)
    assert rows == wanted.num_rows > 50
    assert not settings.home.exists()


def test_a_large_file_is_cut_and_every_number_of_processes_gives_the_same_bytes(
    events_file: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "BUCKET_EVENTS", 500)
    monkeypatch.setattr(files, "BATCH_ROWS", 400)
    steps: list[tuple[str, int, int]] = []
    outs = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for processes, out in zip((1, 2), outs, strict=True):
        shaped = settings.model_copy(update={"harvest": Harvest(processes=processes)})
        reconstruct_file(events_file, "default", out, shaped, lambda *step: steps.append(step))
    assert outs[0].read_bytes() == outs[1].read_bytes()
    wanted = reconstruct(pq.read_table(events_file))
    found = pq.read_table(outs[0])
    assert found.schema.equals(LIFECYCLES)
    assert found.sort_by(ORDER).combine_chunks().equals(wanted)
    assert list(settings.home.iterdir()) == []
    total = pq.read_metadata(events_file).num_rows
    assert total > 2000
    for name in ("read", "reconstruct"):
        told = [step for step in steps if step[0] == name]
        assert len(told) > 8
        assert told[-1] == (name, total, total)


def test_a_file_that_breaks_in_the_middle_leaves_nothing(
    events_file: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "BUCKET_EVENTS", 500)
    monkeypatch.setattr(files, "BATCH_ROWS", 400)
    table = pq.read_table(events_file)
    kind = pa.chunked_array([pa.array([*table["kind"].to_pylist()[:-1], None], pa.string())])
    columns = [kind if name == "kind" else table[name] for name in table.column_names]
    broken = tmp_path / "broken.parquet"
    pq.write_table(pa.table(columns, names=table.column_names), broken)
    with pytest.raises(SchemaError, match=r"broken.parquet: column kind holds 1 nulls"):
        reconstruct_file(broken, "default", tmp_path / "out.parquet", settings)
    data = bytearray(events_file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    broken.write_bytes(data)
    with pytest.raises(InputError, match=r"broken.parquet cannot be read as Parquet"):
        reconstruct_file(broken, "default", tmp_path / "out.parquet", settings)
    assert not (tmp_path / "out.parquet").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.parquet", "home"]
    assert list(settings.home.iterdir()) == []

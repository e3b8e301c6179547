"""Cutting events into buckets: nothing is lost, no document is split, nothing is left behind."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echo_ops.errors import InputError, UnavailableError
from echo_ops.pipeline import spill
from echo_ops.pipeline.spill import in_buckets

SCHEMA = pa.schema([pa.field("document_id", pa.string(), nullable=False), pa.field("seq", pa.int64(), nullable=False)])

Row = tuple[str, int]


@pytest.fixture(autouse=True)
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "BUCKET_EVENTS", 20)


def batches(rows: list[Row], size: int = 7) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), size):
        documents, seqs = zip(*rows[start : start + size], strict=True)
        yield pa.RecordBatch.from_arrays([pa.array(documents), pa.array(seqs)], schema=SCHEMA)


def rows_of(table: pa.Table) -> list[Row]:
    return list(zip(table["document_id"].to_pylist(), table["seq"].to_pylist(), strict=True))


def many(documents: int = 30, events: int = 5) -> list[Row]:
    """Documents side by side, as they arrive."""
    return [(f"document é {number}", seq) for seq in range(events) for number in range(documents)]


@given(
    rows=st.lists(st.tuples(st.sampled_from(["", "a", "b", "ü", "dd"]), st.integers(0, 9)), max_size=60),
    size=st.integers(1, 30),
    buckets=st.integers(1, 9),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_event_is_in_one_bucket_in_its_order_and_no_document_in_two(
    rows: list[Row], size: int, buckets: int, tmp_path: Path
) -> None:
    with in_buckets(batches(rows, size), SCHEMA, buckets, tmp_path) as cut:
        found = [rows_of(bucket.read()) for bucket in cut]
    assert len(found) == (1 if len(rows) <= 20 else buckets)
    for document in {document for document, _ in rows}:
        having = [bucket for bucket in found if any(row[0] == document for row in bucket)]
        assert len(having) == 1
        assert [row for row in having[0] if row[0] == document] == [row for row in rows if row[0] == document]
    assert sum(map(len, found)) == len(rows)
    assert list(tmp_path.iterdir()) == []


def test_the_cut_does_not_depend_on_how_the_rows_came(tmp_path: Path) -> None:
    def cut(rows: list[Row], size: int) -> list[set[Row]]:
        with in_buckets(batches(rows, size), SCHEMA, 4, tmp_path) as buckets:
            return [set(rows_of(bucket.read())) for bucket in buckets]

    first = cut(many(), 7)
    assert all(first), "each bucket has its share"
    assert cut(many()[::-1], 100) == first


def test_what_fits_is_not_written(tmp_path: Path) -> None:
    with in_buckets(batches(many(4)), SCHEMA, 4, tmp_path / "home") as (bucket,):
        assert rows_of(bucket.read()) == many(4)
        assert not (tmp_path / "home").exists()


def test_large_events_are_spilled_though_they_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "BUCKET_BYTES", 100)
    with in_buckets(batches(many(4)), SCHEMA, 4, tmp_path) as buckets:
        assert len(buckets) == 4
    assert spill.buckets_for(events=1, size=401) == 5
    assert spill.buckets_for(events=41) == 3
    assert spill.buckets_for(events=0) == 1


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    with in_buckets(batches(many()), SCHEMA, 4, tmp_path):
        (folder,) = tmp_path.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_nothing_is_left_when_the_source_or_the_reader_fails(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from batches(many())
        raise InputError("the file ends here")

    with pytest.raises(InputError, match="ends here"), in_buckets(broken(), SCHEMA, 4, tmp_path):
        raise AssertionError("unreachable")
    with pytest.raises(ZeroDivisionError), in_buckets(batches(many()), SCHEMA, 4, tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.unit.pipeline.test_pipeline_spill import SCHEMA, batches, many, spill\n"
        "spill.BUCKET_EVENTS = 20\n"
        "with spill.in_buckets(batches(many()), SCHEMA, 4, Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[3]
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    with in_buckets(batches(many()), SCHEMA, 4, tmp_path) as first:
        assert not left.exists()
        with in_buckets(batches(many()), SCHEMA, 4, tmp_path):
            assert len(list(tmp_path.iterdir())) == 2
        assert sum(bucket.read().num_rows for bucket in first) == 150
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with (
        pytest.raises(UnavailableError, match=r"home cannot be written.*ECHO_HOME"),
        in_buckets(batches(many()), SCHEMA, 4, tmp_path / "home"),
    ):
        raise AssertionError("unreachable")

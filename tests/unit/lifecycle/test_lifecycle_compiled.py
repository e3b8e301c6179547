"""The compiled reconstruction and its sources are one program."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.events import copy_reader
from echo_ops.lifecycle import COMPILED
from echo_ops.lifecycle.compiled import sources_digest, take
from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.simulate.simulate import write

PURE = """
import sys, pyarrow as pa, pyarrow.parquet as pq
from echo_ops.lifecycle import COMPILED
from echo_ops.lifecycle.reconstruct import reconstruct
assert not COMPILED
events = pq.read_table(sys.argv[1])
found = reconstruct(events, policy=sys.argv[3])
with pa.ipc.new_file(sys.argv[2], found.schema) as file:
    file.write_table(found)
"""


@pytest.mark.skipif(not COMPILED, reason="no C compiler was there when the package was installed")
@pytest.mark.parametrize("policy", ["default", "strict"])
def test_both_give_the_same_lifecycles(policy: str, tmp_path: Path) -> None:
    given, found = tmp_path / "events.parquet", tmp_path / "lifecycles.arrow"
    write(given, days=1, users=6, seed=3)
    subprocess.run(
        [sys.executable, "-c", PURE, str(given), str(found), policy],
        env={**os.environ, "ECHO_PURE_PYTHON": "1"},
        check=True,
    )
    lifecycles = reconstruct(pq.read_table(given), policy=policy)
    assert lifecycles.num_rows > 50
    assert pa.ipc.open_file(found).read_all().equals(lifecycles)


@pytest.mark.skipif(not COMPILED, reason="no C compiler was there when the package was installed")
def test_what_compiled_the_reconstruction_compiled_the_reader_of_events() -> None:
    assert copy_reader.compiled()


def test_compiled_modules_are_taken_only_while_they_are_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECHO_PURE_PYTHON", raising=False)
    source, compiled = tmp_path / "gap.py", tmp_path / "_compiled"
    source.write_text("one = 1\n")
    compiled.mkdir()
    (compiled / "sources.sha256").write_text(sources_digest(tmp_path))
    path = [str(tmp_path)]
    assert take(path)
    assert path == [str(compiled), str(tmp_path)]
    monkeypatch.setenv("ECHO_PURE_PYTHON", "1")
    assert not take([str(tmp_path)])
    monkeypatch.delenv("ECHO_PURE_PYTHON")
    source.write_text("one = 2\n")
    assert not take([str(tmp_path)])

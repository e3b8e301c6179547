"""Real editing sessions, where the folder with them is at hand (see ECHO_REAL_TRACES): commits against the truth."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from echo_ops.lifecycle.reconstruct import reconstruct

FOLDER = Path(os.environ.get("ECHO_REAL_TRACES", Path(__file__).parents[2] / "../shared/data/real-traces"))
BARS = {"edits": {"default": 0.999, "strict": 0.999}, "snapshots": {"default": 0.995, "strict": 0.995}}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is not there")


@pytest.mark.parametrize("policy", ["default", "strict"])
@pytest.mark.parametrize("evidence", list(BARS))
@pytest.mark.parametrize("session", ["sveltecomponent", "vscode-even"])
def test_commits_equal_the_truth(session: str, evidence: str, policy: str) -> None:
    truth = {
        row["request_id"]: row
        for row in pq.read_table(FOLDER / f"{session}.truth.parquet").to_pylist()
        if row["policy"] == policy
    }
    found = reconstruct(pq.read_table(FOLDER / f"{session}.{evidence}.events.parquet"), policy=policy).to_pylist()
    assert {row["request_id"] for row in found} == set(truth)
    right = [row["committed"] == truth[row["request_id"]]["committed"] for row in found]
    assert sum(right) / len(right) >= BARS[evidence][policy]
    wrong = [row for row, good in zip(found, right, strict=True) if not good]
    assert [row["request_id"] for row in wrong if row["confidence"] == "exact"] == []

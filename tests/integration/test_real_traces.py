"""Real editing sessions, where the folder with them is at hand (see ECHO_REAL_TRACES): commits against the truth."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
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


ALPHABETS: dict[str, Callable[[str], str]] = {
    "two letters": lambda letter: letter if letter.isspace() else "xy"[ord(letter) % 2],
    "outside the BMP": lambda letter: chr(0x1F300 + ord(letter)) if letter.isascii() and letter.isalpha() else letter,
}


@pytest.mark.parametrize("alphabet", list(ALPHABETS))
@pytest.mark.parametrize("session", ["sveltecomponent", "vscode-even"])
def test_snapshots_tell_what_edits_tell_in_any_alphabet(session: str, alphabet: str) -> None:
    """Text in which nearly everything is next to its like: what slides by a letter is not passed off as exact."""
    told, seen = (
        {row["request_id"]: row for row in reconstruct(_written_in(alphabet, session, evidence)).to_pylist()}
        for evidence in BARS
    )
    differ = [row for request, row in seen.items() if row["committed"] != told[request]["committed"]]
    assert len(differ) <= (1 - BARS["snapshots"]["default"]) * len(seen)
    assert [row["request_id"] for row in differ if row["confidence"] == "exact"] == []


def _written_in(alphabet: str, session: str, evidence: str) -> pa.Table:
    def written(text: str | None) -> str | None:
        return None if text is None else "".join(map(ALPHABETS[alphabet], text))

    def edited(edits: str | None) -> str | None:
        return edits and json.dumps([[start, end, written(text)] for start, end, text in json.loads(edits)])

    table = pq.read_table(FOLDER / f"{session}.{evidence}.events.parquet")
    for name, change in (("prefix", written), ("suffix", written), ("proposal", written), ("edits", edited)):
        values = pa.array([change(text) for text in table[name].to_pylist()], pa.string())
        table = table.set_column(table.column_names.index(name), table.schema.field(name), values)
    return table

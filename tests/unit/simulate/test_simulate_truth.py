"""The witness: what a gap holds, when it closes, and that it agrees with truth that others made from real sessions."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from echo_ops.simulate.truth import Edit, Witness, applied

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
TRACES = Path(os.environ.get("ECHO_REAL_TRACES", Path(__file__).parents[4] / "shared/data/real-traces"))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("changes", "default", "strict"),
    [
        # each: [(seconds, edits)] on "ab|cd"; then (committed, reason, closed after seconds)
        pytest.param([], ("", "idle", 30), ("", "idle", 300), id="nothing typed"),
        pytest.param([(1, [(2, 2, "x")]), (2, [(3, 3, "y")])], ("xy", "idle", 32), ("xy", "idle", 302), id="typed"),
        pytest.param([(1, [(2, 2, "xy")]), (2, [(2, 4, "")])], ("", "idle", 32), ("", "idle", 302), id="taken back"),
        pytest.param([(1, [(2, 2, "x")]), (2, [(2, 2, "w")])], ("wx", "idle", 32), ("wx", "idle", 302), id="left edge"),
        pytest.param([(30, [(2, 2, "x")])], ("x", "idle", 60), ("x", "idle", 330), id="at the last moment"),
        pytest.param([(31, [(2, 2, "x")])], ("", "idle", 30), ("x", "idle", 331), id="too late for default"),
        pytest.param(
            [(1, [(0, 0, "import\n")]), (5, [(9, 9, "x")])], ("x", "idle", 35), ("", "outside_edit", 1), id="elsewhere"
        ),
        pytest.param([(1, [(1, 2, "")])], ("", "idle", 30), ("", "outside_edit", 1), id="backspace into the prefix"),
        pytest.param(
            [(1, [(2, 2, "x")]), (2, [(1, 3, "")])],
            ("x", "anchor_broken", 2),
            ("x", "anchor_broken", 2),
            id="crosses an edge",
        ),
        pytest.param([(1, [(1, 3, "")])], ("", "anchor_broken", 1), ("", "anchor_broken", 1), id="spans the empty gap"),
        pytest.param([(1, [(0, 2, "abxy")])], ("xy", "idle", 31), ("xy", "idle", 301), id="line replaced"),
        pytest.param([(1, [(2, 3, "x, y)c")])], ("x, y)", "idle", 31), ("x, y)", "idle", 301), id="through a bracket"),
        pytest.param(
            [(1, [(2, 2, "x"), (0, 0, "i\n")])],
            ("x", "idle", 31),
            ("", "outside_edit", 1),
            id="auto-import",
        ),
        pytest.param([(1, [(2, 4, "cd")])], ("", "idle", 30), ("", "idle", 301), id="nothing changed"),
    ],
)
def test_gap(
    changes: list[tuple[float, list[tuple[int, int, str]]]], default: tuple[str, str, int], strict: tuple[str, str, int]
) -> None:
    witness = Witness("abcd")
    witness.requested("r", 2, at(0))
    for seconds, edits in changes:
        witness.changed([Edit(*edit) for edit in edits], at(seconds))
    fates = {fate.policy: (fate.committed, fate.close_reason, fate.closed_at) for fate in witness.abandoned()}
    for policy, (committed, reason, seconds) in (("default", default), ("strict", strict)):
        assert fates[policy] == (committed, reason, at(seconds)), policy


@pytest.mark.parametrize("end", ["document_closed", "replaced"])
def test_gap_closes_with_its_document(end: str) -> None:
    witness = Witness("abcd")
    witness.requested("r", 2, at(0))
    witness.changed([Edit(2, 2, "x")], at(1))
    if end == "replaced":
        witness.replaced("other", at(5))
    fates = witness.closed(at(5))
    assert [(fate.committed, fate.close_reason, fate.closed_at) for fate in fates] == [("x", end, at(5))] * 2


def test_simultaneous_edits_are_in_offsets_before_the_change() -> None:
    assert applied("abcd", [Edit(0, 1, ""), Edit(2, 2, "XY"), Edit(3, 4, "!")]) == "bXYc!"


@pytest.mark.skipif(not (TRACES / "sveltecomponent.truth.parquet").exists(), reason="real traces are not here")
def test_agrees_with_real_sessions() -> None:
    truth = pq.read_table(TRACES / "sveltecomponent.truth.parquet").to_pylist()
    expected = {(row["request_id"], row["policy"]): row for row in truth}
    documents = defaultdict(list)
    for row in pq.read_table(TRACES / "sveltecomponent.edits.events.parquet").to_pylist():
        documents[row["document_id"]].append(row)
    fates = []
    for rows in documents.values():
        witness = Witness("")
        for row in sorted(rows, key=lambda row: row["seq"]):
            if row["kind"] == "requested":
                witness.requested(row["request_id"], row["caret"], row["occurred_at"])
            elif row["kind"] == "changed":
                witness.changed([Edit(*edit) for edit in json.loads(row["edits"])], row["occurred_at"])
        fates += witness.abandoned()
    assert len(fates) == len(expected)
    for fate in fates:
        row = expected[fate.request_id, fate.policy]
        assert (fate.committed, fate.close_reason, fate.closed_at) == (
            row["committed"],
            row["close_reason"],
            row["closed_at"],
        )

"""The simulated telemetry: keeps the contract, is the same for a seed, is noisy in the stated ways, and is true."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import InputError
from echo_ops.events.admission import admit
from echo_ops.schema.events import EVENTS
from echo_ops.schema.lifecycles import CLOSE_REASONS
from echo_ops.simulate import workday
from echo_ops.simulate.noise import QUIET, Noise
from echo_ops.simulate.proposals import Asked, RuleProposer
from echo_ops.simulate.simulate import simulate, write
from echo_ops.simulate.truth import TRUTH
from echo_ops.simulate.workday import Scale, Session

SMALL = Scale(spells=(1, 1), documents=(1, 2), characters=(80, 200))
LOUD = Noise(lost=0.003, repeated=0.02, swapped=0.05, offline=0.5)

Row = dict[str, Any]


@pytest.fixture(scope="module")
def sessions() -> list[Session]:
    return list(simulate(days=1, users=12, seed=7, noise=LOUD))


@pytest.fixture(scope="module")
def events(sessions: list[Session]) -> list[Row]:
    return [row for session in sessions for row in session.events.to_pylist()]


@pytest.fixture(scope="module")
def truth(sessions: list[Session]) -> list[Row]:
    return [row for session in sessions for row in session.truth.to_pylist()]


@pytest.fixture(scope="module")
def documents(events: list[Row]) -> list[list[Row]]:
    """The events of each document once, in the order of ``seq``."""
    by_document: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in events:
        by_document[row["document_id"]].setdefault(row["seq"], row)
    return [[rows[seq] for seq in sorted(rows)] for rows in by_document.values()]


def units(text: str, unit: str) -> int:
    return len(text.encode("utf-16-le")) // 2 if unit == "utf-16" else len(text)


def test_schemas(sessions: list[Session]) -> None:
    assert all(session.events.schema == EVENTS and session.truth.schema == TRUTH for session in sessions)
    assert len(sessions) == 12


def test_the_loader_admits_every_event(sessions: list[Session]) -> None:
    for session in sessions:
        for batch in session.events.to_batches():
            assert admit(batch, "simulated").refused.num_rows == 0


def test_every_kind_of_client_sends_what_it_is_said_to_send(events: list[Row]) -> None:
    sent: dict[str, set[str]] = defaultdict(set)
    for row in events:
        if row["kind"] == "changed":
            assert (row["edits"] is None) != (row["prefix"] is None)
            sent[row["user_id"]].add("edits" if row["edits"] else "snapshots")
        sent[row["user_id"]].add(row["offset_unit"])
    assert all(len(kinds & {"edits", "snapshots"}) <= 1 for kinds in sent.values())
    clients = Counter(tuple(sorted(kinds)) for kinds in sent.values())
    assert clients == {
        ("code-point", "edits"): 8,
        ("code-point", "snapshots"): 2,
        ("edits", "utf-16"): 1,
        ("code-point",): 1,
    }
    old = {user for user, kinds in sent.items() if kinds == {"code-point"}}
    requests = [row for row in events if row["user_id"] in old]
    assert {row["kind"] for row in requests} == {"requested"}
    assert {row["caret"] is None for row in requests} == {True, False}


def test_windows_are_whole_exactly_when_the_offsets_say_so(events: list[Row]) -> None:
    cut = 0
    for row in events:
        if row["prefix"] is None or row["caret"] is None:
            continue
        unit = row["offset_unit"]
        before, after = units(row["prefix"], unit), units(row["suffix"], unit)
        assert before <= row["caret"]
        assert row["caret"] + after <= row["document_length"]
        assert before == row["caret"] or len(row["prefix"]) == 2048
        assert row["caret"] + after == row["document_length"] or len(row["suffix"]) == 1024
        cut += before < row["caret"]
    assert cut


def test_sequence_and_version(documents: list[list[Row]], events: list[Row]) -> None:
    holes = 0
    for rows in documents:
        versions = [row["version"] for row in rows if row["version"] is not None]
        assert versions == sorted(versions)
        for before, row in itertools.pairwise(rows):
            holes += row["seq"] - before["seq"] - 1
            assert row["occurred_at"] >= before["occurred_at"]
            if row["kind"] == "changed" and row["seq"] == before["seq"] + 1:
                assert row["version"] == before["version"] + 1
    assert 0 < holes < 0.01 * len(events)


def test_edits_lead_from_one_window_to_the_next(documents: list[list[Row]]) -> None:
    """An independent replay: what a request shows of a document is what its edits have made of the last request's."""
    compared = 0
    for rows in documents:
        text: list[str] | None = None  # in the client's units, as far as known; None: unknown
        for before, row in zip([rows[0], *rows], rows, strict=False):
            unit = row["offset_unit"]
            if row["seq"] > before["seq"] + 1 or row["kind"] == "opened" or row["version"] is None:
                text = None  # something was lost, or reloaded, or the client reports no changes
            if row["kind"] == "changed" and text is not None and row["edits"] is not None:
                for start, end, inserted in sorted(json.loads(row["edits"]), reverse=True):
                    text[start:end] = split(inserted, unit)
                assert len(text) == row["document_length"]
            if row["kind"] == "requested" and row["caret"] is not None:
                prefix, suffix = split(row["prefix"], unit), split(row["suffix"], unit)
                first = row["caret"] - len(prefix)
                if text is not None:
                    known = text[first : row["caret"] + len(suffix)]
                    assert all(one in ("?", other) for one, other in zip(known, [*prefix, *suffix], strict=True)), (
                        "the windows differ"
                    )
                    compared += len(known) - known.count("?")
                rest = row["document_length"] - row["caret"] - len(suffix)
                if text is None:
                    text = ["?"] * first + prefix + suffix + ["?"] * rest
                else:
                    text[first : row["caret"] + len(suffix)] = prefix + suffix
            if row["kind"] == "changed" and row["edits"] is None:
                text = None
    assert compared > 100_000


def split(text: str, unit: str) -> list[str]:
    if unit == "code-point":
        return list(text)
    coded = text.encode("utf-16-le")
    return [repr(coded[index : index + 2]) for index in range(0, len(coded), 2)]


def test_requests_are_told_once_and_joined(documents: list[list[Row]]) -> None:
    for rows in documents:
        asked = [row["request_id"] for row in rows if row["kind"] == "requested"]
        assert len(asked) == len(set(asked))
        whole = rows[-1]["seq"] == len(rows) - 1
        seen: set[str] = set()
        for row in rows:
            if row["kind"] in ("shown", "accepted", "partially_accepted", "rejected", "ignored"):
                needed = "requested" if row["kind"] == "shown" else "shown"
                assert not whole or needed + row["request_id"] in seen
            if row["request_id"]:
                seen.add(row["kind"] + row["request_id"])


def test_an_accept_is_an_edit_with_its_cause(documents: list[list[Row]]) -> None:
    accepts = 0
    for rows in documents:
        for before, row in itertools.pairwise(rows):
            if row["kind"] in ("accepted", "partially_accepted") and before["seq"] == row["seq"] - 1:
                assert (before["kind"], before["cause"]) == ("changed", "accept")
                accepts += 1
    assert accepts


def test_noise(sessions: list[Session], events: list[Row]) -> None:
    repeated = Counter(row["event_id"] for row in events)
    assert 0 < sum(count - 1 for count in repeated.values()) < 0.05 * len(events)
    first: dict[str, Row] = {}
    for row in events:
        known = first.setdefault(row["event_id"], row)
        assert {**row, "received_at": None} == {**known, "received_at": None}
    out_of_order = late = 0
    for session in sessions:
        rows = session.events.to_pylist()
        assert [row["received_at"] for row in rows] == sorted(row["received_at"] for row in rows)
        last: dict[str, int] = {}
        for row in rows:
            out_of_order += row["seq"] < last.get(row["document_id"], -1)
            last[row["document_id"]] = row["seq"]
            late += row["received_at"] - row["occurred_at"] > timedelta(minutes=10)
    assert out_of_order
    assert late
    assert max(row["received_at"] - row["occurred_at"] for row in events) < timedelta(hours=3)
    assert any(row["received_at"] < row["occurred_at"] for row in events), "no clock is ahead"
    assert any(row["occurred_at"].date() > date(2026, 11, 2) for row in events), "nobody works past midnight"


def test_rates_are_realistic(events: list[Row], truth: list[Row]) -> None:
    kinds = Counter({row["event_id"]: row["kind"] for row in events}.values())
    assert 0.25 <= (kinds["accepted"] + kinds["partially_accepted"]) / kinds["shown"] <= 0.35
    default = [row for row in truth if row["policy"] == "default"]
    assert 0.2 <= sum(row["committed"] == "" for row in default) / len(default) <= 0.3
    assert 50 <= kinds["requested"] / 12 <= 170
    assert len({row["repository"] for row in events}) >= 8
    assert {"accept", "paste", "undo", "redo", "typing"} <= {row["cause"] for row in events}


def test_truth_covers_each_request_that_arrived(events: list[Row], truth: list[Row]) -> None:
    arrived = {row["request_id"]: row["occurred_at"] for row in events if row["kind"] == "requested"}
    assert Counter((row["request_id"], row["policy"]) for row in truth) == Counter(
        (request_id, policy) for request_id in arrived for policy in ("default", "strict")
    )
    for row in truth:
        assert row["close_reason"] in CLOSE_REASONS
        assert row["closed_at"] >= arrived[row["request_id"]]
    assert any(row["events_lost"] for row in truth)
    meant = [row for row in truth if row["policy"] == "default" and row["intended"] and row["committed"]]
    assert sum(row["committed"].startswith(row["intended"]) for row in meant) > 0.75 * len(meant)


def test_what_is_written_is_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """All the slips, undos and rewrites leave what the programmer meant: lines of the file, and a few remarks."""
    seen = []
    work_on = workday.Author.work_on

    def spy(self: workday.Author, document: Any, source: Any, characters: int) -> Any:
        intended = yield from work_on(self, document, source, characters)
        seen.append((document, source))
        return intended

    monkeypatch.setattr(workday.Author, "work_on", spy)
    list(simulate(days=1, users=6, seed=3))
    assert len(seen) > 15
    for document, source in seen:
        meant = {line.rstrip() for line in source.text.split("\n")}
        strange = [line for line in document.text.split("\n") if line.rstrip() not in meant]
        remarks = ("# see below", "# TODO", "# noqa", "# 🐍 slow path", "# checked out", "import types")
        assert [line for line in strange if not line.endswith(remarks)] == []


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    """In another process with other hashes, and with sessions in step."""
    script = (
        "import sys, pathlib; from echo_ops.simulate.simulate import write; "
        "from echo_ops.simulate.workday import Scale; "
        "folder = pathlib.Path(sys.argv[1]);"
        "write(folder / 'e', folder / 't', days=1, users=3, seed=5, scale=Scale((1, 1), (1, 2), (80, 200)))"
    )
    files = []
    for seed in ("0", "1"):
        folder = tmp_path / seed
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", script, str(folder)], check=True, env=environment)
        files.append(((folder / "e").read_bytes(), (folder / "t").read_bytes()))
    assert files[0] == files[1]
    alone = pa.concat_tables(s.events for s in simulate(days=1, users=3, seed=5, scale=SMALL))
    in_step = pa.concat_tables(s.events for s in simulate(days=1, users=3, seed=5, scale=SMALL, together=3))
    assert pq.read_table(tmp_path / "0" / "e").equals(alone)
    assert in_step.equals(alone)
    other = pa.concat_tables(s.events for s in simulate(days=1, users=3, seed=6, scale=SMALL))
    assert not other.equals(alone)


@dataclass
class Oracle:
    """Proposes exactly what is meant, to everybody."""

    batches: list[int] = field(default_factory=list)

    def propose(self, asked: Sequence[Asked]) -> list[str | None]:
        self.batches.append(len(asked))
        return [one.unit for one in asked]


class Silent:
    def propose(self, asked: Sequence[Asked]) -> list[str | None]:
        return [None for _ in asked]


def acceptance(proposer: Any) -> tuple[int, int]:
    sessions = simulate(days=1, users=4, seed=2, proposer=proposer, noise=QUIET, scale=SMALL, together=4)
    kinds = Counter(kind for session in sessions for kind in session.events["kind"].to_pylist())
    return kinds["shown"], kinds["accepted"]


def test_the_proposer_is_a_port() -> None:
    oracle = Oracle()
    shown, accepted = acceptance(oracle)
    assert accepted > 0.4 * shown
    assert max(oracle.batches) > 1
    assert acceptance(Silent()) == (0, 0)
    shown, accepted = acceptance(RuleProposer(1, true=0, wrong_tail=0, over_long=0, unfitting=1))
    assert shown
    assert accepted < 0.1 * shown


def test_the_model_serves_and_changes_nothing_else() -> None:
    def model_of(user_id: str, day: date) -> str:
        return f"{user_id}@{day:%d}"

    named = list(simulate(days=1, users=2, seed=2, scale=SMALL, model_of=model_of))
    plain = list(simulate(days=1, users=2, seed=2, scale=SMALL))
    for one, other in zip(named, plain, strict=True):
        user = one.events["user_id"][0].as_py()
        assert set(one.events["model_version"].to_pylist()) == {None, f"{user}@02"}
        assert set(other.events["model_version"].to_pylist()) == {None, "base"}
        assert one.events.drop_columns("model_version").equals(other.events.drop_columns("model_version"))
        assert one.truth.equals(other.truth)


@pytest.mark.parametrize("wrong", [{"days": 0}, {"users": 0}, {"together": 0}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} is 0"):
        next(simulate(**{"days": 1, "users": 1, "seed": 0, **wrong}))


def test_a_broken_run_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("before")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "events", tmp_path / "truth", days=1, users=1, seed=0, scale=SMALL, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["events"]
    assert (tmp_path / "events").read_text() == "before"


def test_write_counts_what_it_wrote(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    written = write(
        tmp_path / "events",
        tmp_path / "truth",
        days=1,
        users=2,
        seed=0,
        scale=SMALL,
        progress=lambda done, total: told.append((done, total)),
    )
    assert pq.read_table(tmp_path / "events").num_rows == written.events
    assert pq.read_table(tmp_path / "truth").num_rows == 2 * written.requests
    assert told == [(1, 2), (2, 2)]

"""What curation costs without the teacher's time: lifecycles a second on one core, by part, at two sizes.

The lifecycles are simulated and reconstructed; secrets of the labelled set are planted in some of their contexts,
commits and proposals. Beside the speed it says what must hold of the outcome, and counts what does not: every lesson is
a prefix of its commit, no planted secret is left in examples, scores or dropped rows, and a second run gives the same
bytes.

    python benchmarks/refinery.py [--lifecycles N] [--seed N]

The bar is 2,000 lifecycles a second a core. ``--lifecycles`` is the larger size; the smaller one is a tenth of it. The
lifecycles come by shards, as in a harvest, and only one of them is in memory.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from random import Random
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from echo_ops.curation import boundaries, consistency, curate, duplicates, measure, near, syntax
from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.settings import Curation
from echo_ops.simulate.secrets import positives
from echo_ops.simulate.simulate import simulate
from echo_ops.teacher.judge import judge
from echo_ops.teacher.syntax import SyntaxTeacher

BAR = 2000
SHARD = 5000
USERS = 12
PLANTED_EVERY = 50

PARTS: dict[str, list[tuple[Any, str]]] = {
    "boundaries": [
        (boundaries, name) for name in ("contradicted", "blank", "mid_token", "repeats_suffix", "repeats_prefix")
    ],
    "redaction": [(measure, "redact")],
    "syntax: parse": [(syntax, "window_of")],
    "syntax: compare": [(syntax, "added_errors")],
    "consistency": [(consistency, "unknown_names")],
    "keys": [(duplicates, "commit_key"), (duplicates, "content_key")],
    "near-duplicates: shingles": [(near, "shingles")],
    "near-duplicates: MinHash": [(near, "signatures")],
    "rules": [(curate, "decide")],
}


def shards(wanted: int, seed: int) -> Iterator[tuple[pa.Table, list[str]]]:
    """So many simulated lifecycles, ``SHARD`` at a time, and the secrets that were planted in every fiftieth."""
    waiting: list[pa.Table] = []
    for day in count():
        for session in simulate(days=1, users=USERS, seed=seed * 10_000 + day):
            waiting.append(reconstruct(session.events, policy="default"))
        rows = sum(table.num_rows for table in waiting)
        if rows >= min(SHARD, wanted):
            yield planted(pa.concat_tables(waiting).slice(0, wanted), seed * 10_000 + day)
            waiting, wanted = [], wanted - rows
        if wanted <= 0:
            return


def planted(table: pa.Table, seed: int) -> tuple[pa.Table, list[str]]:
    """The same lifecycles with secrets in some, and what was planted."""
    samples = list(positives(seed, each=8))
    dice = Random(seed)
    rows = table.to_pylist()
    values = []
    for row in rows[::PLANTED_EVERY]:
        one = dice.choice(samples)
        place = dice.choice(("prefix", "suffix", "committed", "proposal"))
        values.append(one.value)
        row["prefix"] = row["prefix"].rpartition("\n")[0] + "\n"
        row["suffix"] = "\n" + row["suffix"].partition("\n")[2]
        if place == "prefix":
            row["prefix"] += one.text
        else:
            row[place] = one.text + (row["suffix"] if place == "suffix" else "")
    return pa.Table.from_pylist(rows, LIFECYCLES), values


@contextmanager
def timed(seconds: dict[str, float]) -> Iterator[None]:
    """Add up what the parts take, while they run inside a whole ``refine``."""

    def wrap(part: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return inner(*args, **named)
            finally:
                seconds[part] += time.perf_counter() - start

        return call

    patches = [
        mock.patch.object(module, name, wrap(part, getattr(module, name)))
        for part, places in PARTS.items()
        for module, name in places
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


@dataclass(slots=True)
class Pass:
    """One way through all shards."""

    seconds: list[tuple[int, float]] = field(default_factory=list)  # of refine: lifecycles, CPU time
    keys: list[pa.Table] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    rows: int = 0
    dropped: int = 0
    planted: int = 0
    leaked: int = 0
    astray: int = 0

    def take(self, table: pa.Table, values: list[str]) -> None:
        """Refine a shard, and look for what was planted in it."""
        verdicts = judge(table, SyntaxTeacher())
        start = time.process_time()
        refined = curate.refine(table, verdicts, Curation())
        self.seconds.append((table.num_rows, time.process_time() - start))
        tables = (refined.candidates, refined.dropped, refined.scores)
        written = b"".join(map(bytes_of, tables))
        self.planted += len(set(values))
        self.leaked += sum(value.encode() in written for value in set(values))
        committed = dict(zip(table["request_id"].to_pylist(), table["committed"].to_pylist(), strict=True))
        pairs = zip(*(refined.candidates[name].to_pylist() for name in ("request_id", "lesson")), strict=True)
        self.astray += sum(not committed[request_id].startswith(lesson) for request_id, lesson in pairs)
        self.rows += table.num_rows
        self.dropped += refined.dropped.num_rows
        self.hashes.append(sha256(written).hexdigest())
        self.keys.append(refined.keys)

    def rate(self, share: float) -> tuple[int, float, float]:
        """Of the first part of all shards: lifecycles, and refined and selected ones a second."""
        shards = max(1, round(len(self.seconds) * share))
        size, took = (sum(column) for column in zip(*self.seconds[:shards], strict=True))
        start = time.process_time()
        curate.select(pa.concat_tables(self.keys[:shards]), Curation())
        return size, size / took, size / (time.process_time() - start)


def bytes_of(table: pa.Table) -> bytes:
    """The rows as they would be written, not compressed."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    return sink.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lifecycles", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    console = Console()
    warm, _ = next(shards(200, chosen.seed))
    curate.refine(warm, judge(warm, SyntaxTeacher()), Curation())  # loads grammars and rules

    first = Pass()
    sample: pa.Table | None = None
    for table, values in shards(chosen.lifecycles, chosen.seed):
        sample = sample or table
        first.take(table, values)
    speeds = Table("lifecycles", "refine /s", "select /s", "both /s", "of the bar")
    for share in (0.1, 1.0):
        size, refined, selected = first.rate(share)
        both = 1 / (1 / refined + 1 / selected)
        speeds.add_row(f"{size:,}", f"{refined:,.0f}", f"{selected:,.0f}", f"{both:,.0f}", f"{both / BAR:.2f} ×")
    console.print(speeds)

    assert sample is not None
    parts = Table("part", "µs a lifecycle", "share")
    seconds: dict[str, float] = defaultdict(float)
    verdicts = judge(sample, SyntaxTeacher())
    with timed(seconds):
        start = time.perf_counter()
        curate.refine(sample, verdicts, Curation())
        whole = time.perf_counter() - start
    for part, took in [*seconds.items(), ("the rest: rows in and out", whole - sum(seconds.values()))]:
        parts.add_row(part, f"{took / sample.num_rows * 1e6:.0f}", f"{took / whole:.0%}")
    console.print(parts)

    again = Pass()
    for table, values in shards(max(1, chosen.lifecycles // 10), chosen.seed):
        if table.num_rows == first.seconds[len(again.seconds)][0]:
            again.take(table, values)
    keys = pa.concat_tables(first.keys)
    one, other = (curate.select(order, Curation()) for order in (keys, keys.take(list(reversed(range(keys.num_rows))))))
    same = first.hashes[: len(again.hashes)] == again.hashes and one.kept.equals(other.kept)
    holds = Table("what must hold", "here")
    holds.add_row("lessons that are no prefix of their commit", f"{first.astray} of {keys.num_rows:,}")
    holds.add_row("planted secrets and personal data that are left", f"{first.leaked} of {first.planted:,}")
    holds.add_row("a second run, in another order, gives the same bytes", str(same))
    dropped = first.dropped + one.dropped.num_rows
    holds.add_row("lifecycles, kept, dropped", f"{first.rows:,} = {one.kept.num_rows:,} + {dropped:,}")
    console.print(holds)


if __name__ == "__main__":
    main()

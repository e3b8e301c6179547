"""Lifecycles and verdicts in, examples and dropped rows out; in three phases, so that no day sits in memory.

::

    refine (per shard)    measures each row, and applies the rules on one row to its scores; gives candidates
    select (per day)      every rule that looks at many rows, on scores alone
    assemble (per shard)  the candidates that were selected, with their split

Each lifecycle is in exactly one of examples and dropped, whatever the order of the rows and the cut into shards. Scores
hold no text, and all that is decided is decided from them: ``replay`` does it again with other settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.curation import balance, duplicates, evaluation_sets, near
from echo_ops.curation.measure import Outside, measure
from echo_ops.curation.reasons import Reason
from echo_ops.curation.rule import Drop, Scores
from echo_ops.curation.rules import decide
from echo_ops.curation.split import split
from echo_ops.schema.conform import conform
from echo_ops.schema.examples import DROPPED, EXAMPLES
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.schema.scores import CONSENTS, SCORES, STUDENT
from echo_ops.schema.verdicts import VERDICTS
from echo_ops.settings import Curation

CANDIDATES = pa.schema([field for field in EXAMPLES if field.name not in ("split", "weight")])
"""Candidates: written by ``refine``, read by ``assemble``. Examples without what the whole day decides."""

OF_A_ROW = ("request_id", "user_id", "repository", "document_id", "language", "requested_at", "lesson_characters")
KEYS = pa.schema([SCORES.field(name) for name in (*OF_A_ROW, "commit_key", "content_key", "signature")])
"""Keys: written by ``refine``, read by ``select``. The scores of candidates that look at many rows."""

KEPT = pa.schema([EXAMPLES.field(name) for name in ("request_id", "split", "weight")])
"""Kept: written by ``select``, read by ``assemble``."""

READ = pa.schema(
    [
        *(LIFECYCLES.field(field.name) for field in CANDIDATES if field.name in LIFECYCLES.names),
        *(LIFECYCLES.field(name) for name in ("close_reason", "evidence", "confidence", "committed_120s")),
    ]
)
"""The columns of a lifecycle that are looked at."""

SCORE_NAMES = tuple(field.name for field in fields(Scores))


@dataclass(frozen=True, slots=True)
class Refined:
    """What the rules on one row left, each by ``request_id``."""

    candidates: pa.Table  # CANDIDATES
    keys: pa.Table  # KEYS, of the candidates
    scores: pa.Table  # SCORES, of all rows
    dropped: pa.Table  # DROPPED


@dataclass(frozen=True, slots=True)
class Selection:
    """What the rules on many rows left: ``KEPT`` and ``DROPPED``, each by ``request_id``."""

    kept: pa.Table
    dropped: pa.Table
    notes: tuple[str, ...]  # what a person should know


def refine(
    lifecycles: pa.Table,
    verdicts: pa.Table,
    settings: Curation,
    *,
    student: pa.Table | None = None,
    consents: pa.Table | None = None,
) -> Refined:
    """Measure each row, apply the rules that look at one row alone, and redact what passes.

    Args:
        lifecycles: schema ``LIFECYCLES``, in any order, each request once; ``committed_120s`` may be missing.
        verdicts: schema ``VERDICTS``; a lifecycle that should have one and has none is dropped: ``teacher_invalid``.
        settings: section ``curation``.
        student: schema ``STUDENT``, for some requests or all; None: no student is served.
        consents: schema ``CONSENTS``; a user of whom it says nothing consents.

    Raises:
        SchemaError: a column is missing.
        InputError: an evaluation set cannot be read.
    """
    present = [name for name in READ.names if name in lifecycles.column_names]
    table = conform(lifecycles.select(present), READ, "lifecycles", optional=frozenset({"committed_120s"}))
    said = conform(verdicts, VERDICTS, "verdicts").drop_columns(["cut_kind"])
    verdict_of = {verdict["request_id"]: verdict for verdict in said.to_pylist()}
    outside = Outside(
        withdrawn=frozenset() if consents is None else withdrawn(consents),
        student_nats=None if student is None else _nats(student),
        evaluation=evaluation_sets.shingles_of(settings.evaluation_sets),
    )

    parts = [(CANDIDATES.empty_table(), SCORES.empty_table())]
    dropped: list[dict[str, Any]] = []
    for batch in table.sort_by("request_id").to_batches(max_chunksize=1024):
        candidates: list[dict[str, Any]] = []
        scored: list[Scores] = []
        sets: dict[int, list[str]] = {}
        for lifecycle in batch.to_pylist():
            verdict = verdict_of.get(lifecycle["request_id"])
            scores, row, redacted = measure(lifecycle, verdict, outside)
            outcome = decide(scores, settings)
            if row is not None and redacted is not None:
                sets[len(scored)] = near.shingles(row.prefix, row.lesson, row.suffix)
            scored.append(scores)
            if isinstance(outcome, Drop):
                dropped.append(_dropped(scores.request_id, outcome.reason, outcome.detail))
            elif row is not None and redacted is not None and verdict is not None:
                candidates.append(
                    lifecycle
                    | verdict
                    | {
                        "prefix": redacted.prefix,
                        "suffix": redacted.suffix,
                        "committed": redacted.committed,
                        "proposal": redacted.proposal,
                        "lesson": row.lesson,
                    }
                )
        for number, signature in zip(sets, near.signatures(list(sets.values())), strict=True):
            scored[number].signature = signature
        parts.append((_table(candidates, CANDIDATES), score_table(scored)))
    kept, measured = (pa.concat_tables(tables) for tables in zip(*parts, strict=True))
    keys = measured.filter(pc.is_in(measured["request_id"], value_set=kept["request_id"].combine_chunks()))
    return Refined(kept, conform(keys, KEYS, "scores"), measured, _table(dropped, DROPPED))


def replay(scores: pa.Table, settings: Curation) -> tuple[pa.Table, pa.Table]:
    """What settings make of rows that were measured before: ``KEPT`` and ``DROPPED``, without texts or teacher.

    Args:
        scores: schema ``SCORES``, of a whole day.
        settings: other thresholds than those of the harvest. ``evaluation_sets`` is not looked at again.
    """
    dropped: list[dict[str, Any]] = []
    passed: list[bool] = []
    for scored in _scores(scores):
        outcome = decide(scored, settings)
        passed.append(not isinstance(outcome, Drop))
        if isinstance(outcome, Drop):
            dropped.append(_dropped(scored.request_id, outcome.reason, outcome.detail))
    keys = conform(scores.filter(pa.array(passed, pa.bool_())), KEYS, "scores")
    selection = select(keys, settings)
    return selection.kept, pa.concat_tables([_table(dropped, DROPPED), selection.dropped]).sort_by("request_id")


def select(keys: pa.Table, settings: Curation) -> Selection:
    """Apply the rules that look at many rows: overlaps, duplicates, caps, balance, the split, the share of silence.

    Args:
        keys: schema ``KEYS``, of all shards of a day, in any order.
        settings: section ``curation``.
    """
    left = keys.sort_by("request_id")
    dropped: duplicates.Dropped = {}

    def leave_out(more: duplicates.Dropped) -> None:
        nonlocal left
        dropped.update(more)
        left = duplicates.without(left, more)

    leave_out(duplicates.overlapping(left))
    leave_out(duplicates.repeated(left, settings))
    splits, notes = split(left, settings)
    side = pa.array([splits[request_id] for request_id in left["request_id"].to_pylist()], pa.string())
    train, evaluation = (left.filter(pc.equal(side, name)) for name in ("train", "evaluation"))
    leave_out(duplicates.contaminated(train, evaluation, settings))
    leave_out(balance.beyond_cap(left, "user_id", settings.max_per_user, Reason.USER_CAP))
    leave_out(balance.beyond_cap(left, "repository", settings.max_per_repository, Reason.REPOSITORY_CAP))
    leave_out(balance.beyond_shares(left, settings))
    leave_out(balance.beyond_void_share(left, splits, settings.void_share))

    ids = left["request_id"].to_pylist()
    kept = [{"request_id": request_id, "split": splits[request_id], "weight": 1.0} for request_id in ids]
    rows = [_dropped(request_id, reason) for request_id, reason in sorted(dropped.items())]
    return Selection(_table(kept, KEPT), _table(rows, DROPPED), tuple(notes))


def assemble(candidates: pa.Table, kept: pa.Table) -> pa.Table:
    """The candidates that were selected, as ``EXAMPLES`` by ``(requested_at, request_id)``.

    Args:
        candidates: schema ``CANDIDATES``, of one shard or of all.
        kept: schema ``KEPT``, of all shards.
    """
    place = pc.index_in(candidates["request_id"], value_set=kept["request_id"].combine_chunks())
    chosen = candidates.filter(pc.is_valid(place))
    decided = kept.select(["split", "weight"]).take(place.drop_null())
    for name in decided.column_names:
        chosen = chosen.append_column(EXAMPLES.field(name), decided[name])
    return conform(chosen, EXAMPLES, "candidates").sort_by([("requested_at", "ascending"), ("request_id", "ascending")])


def withdrawn(consents: pa.Table) -> frozenset[str]:
    """The users whose last word is no. Of two at the same moment, the no counts."""
    table = conform(consents, CONSENTS, "consents").sort_by([("at", "ascending"), ("consented", "descending")])
    last = dict(zip(table["user_id"].to_pylist(), table["consented"].to_pylist(), strict=True))
    return frozenset(user for user, consented in last.items() if not consented)


def score_table(scored: Iterable[Scores]) -> pa.Table:
    """Rows of ``SCORES``, in the order given."""
    rows = [attrgetter(*SCORE_NAMES)(scores) for scores in scored]
    columns = zip(*rows, strict=True) if rows else ([] for _ in SCORE_NAMES)
    by_name = dict(zip(SCORE_NAMES, columns, strict=True))
    return pa.table([pa.array(by_name[field.name], field.type) for field in SCORES], schema=SCORES)


def _scores(table: pa.Table) -> Iterable[Scores]:
    columns = (conform(table, SCORES, "scores")[name].to_pylist() for name in SCORE_NAMES)
    return (Scores(*row) for row in zip(*columns, strict=True))


def _nats(student: pa.Table) -> dict[str, float]:
    table = conform(student, STUDENT, "student")
    return dict(zip(table["request_id"].to_pylist(), table["nats_per_character"].to_pylist(), strict=True))


def _dropped(request_id: str, reason: Reason, detail: str | None = None) -> dict[str, Any]:
    return {"request_id": request_id, "stage": reason.stage, "reason": reason.code, "detail": detail}


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)

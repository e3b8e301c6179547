"""Lifecycles and verdicts in, examples and dropped rows out; in three phases, so that no day sits in memory.

::

    refine (per shard)    every rule that looks at one row alone; gives candidates, and keys that hold no text
    select (per day)      every rule that looks at many rows, on the keys alone
    assemble (per shard)  the candidates that were selected, with their split

Each lifecycle is in exactly one of examples and dropped, whatever the order of the rows and the cut into shards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.curation import balance, boundaries, duplicates, judged, syntax
from echo_ops.curation.reasons import Reason
from echo_ops.curation.redaction import redact
from echo_ops.curation.rule import Drop, Row, Rule
from echo_ops.curation.split import split
from echo_ops.schema.conform import conform
from echo_ops.schema.examples import DROPPED, EXAMPLES
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.schema.verdicts import VERDICTS
from echo_ops.settings import Curation

RULES: tuple[Rule, ...] = (
    boundaries.known_commit,
    boundaries.closed,
    boundaries.unambiguous,
    judged.valid,
    judged.not_rejected,
    judged.sure,
    boundaries.lasting_silence,
    boundaries.not_blank,
    boundaries.short_enough,
    boundaries.whole_token,
    boundaries.not_after_the_gap,
    boundaries.not_before_the_gap,
    syntax.well_formed,
)
"""The rules on one row, cheap ones first; the first that drops gives the reason. Redaction comes after them."""

CANDIDATES = pa.schema([field for field in EXAMPLES if field.name not in ("split", "weight")])
"""Candidates: written by ``refine``, read by ``assemble``. Examples without what the whole day decides."""

KEYS = pa.schema(
    [
        *(EXAMPLES.field(name) for name in ("request_id", "user_id", "repository", "document_id", "requested_at")),
        pa.field("void", pa.bool_(), nullable=False),  # a lesson of silence
        pa.field("commit_key", pa.string(), nullable=False),
        pa.field("content_key", pa.string(), nullable=False),
    ]
)
"""Keys: written by ``refine``, read by ``select``. One row per candidate, no text."""

KEPT = pa.schema([EXAMPLES.field(name) for name in ("request_id", "split", "weight")])
"""Kept: written by ``select``, read by ``assemble``."""

READ = pa.schema(
    [
        *(LIFECYCLES.field(field.name) for field in CANDIDATES if field.name in LIFECYCLES.names),
        *(LIFECYCLES.field(name) for name in ("close_reason", "confidence", "committed_120s")),
    ]
)
"""The columns of a lifecycle that are looked at."""


@dataclass(frozen=True, slots=True)
class Refined:
    """What the rules on one row left: ``CANDIDATES``, ``KEYS`` and ``DROPPED``, each by ``request_id``."""

    candidates: pa.Table
    keys: pa.Table
    dropped: pa.Table


@dataclass(frozen=True, slots=True)
class Selection:
    """What the rules on many rows left: ``KEPT`` and ``DROPPED``, each by ``request_id``."""

    kept: pa.Table
    dropped: pa.Table
    notes: tuple[str, ...]  # what a person should know


def refine(lifecycles: pa.Table, verdicts: pa.Table, settings: Curation) -> Refined:
    """Apply the rules that look at one row alone, and redact what passes.

    Args:
        lifecycles: schema ``LIFECYCLES``, in any order, each request once; ``committed_120s`` may be missing.
        verdicts: schema ``VERDICTS``; a lifecycle that should have one and has none is dropped: ``teacher_invalid``.
        settings: section ``curation``.

    Raises:
        SchemaError: a column is missing.
    """
    present = [name for name in READ.names if name in lifecycles.column_names]
    table = conform(lifecycles.select(present), READ, "lifecycles", optional=frozenset({"committed_120s"}))
    said = conform(verdicts, VERDICTS, "verdicts").drop_columns(["cut_kind"])
    verdict_of = {verdict["request_id"]: verdict for verdict in said.to_pylist()}

    candidates: list[dict[str, Any]] = []
    keys: list[dict[str, Any]] = []
    dropped: list[dict[str, Any]] = []
    for batch in table.sort_by("request_id").to_batches(max_chunksize=1024):
        for lifecycle in batch.to_pylist():
            verdict = verdict_of.get(lifecycle["request_id"], {})
            row = _row(lifecycle, verdict)
            outcome = next((said for rule in RULES if isinstance(said := rule(row, settings), Drop)), None)
            redacted = outcome or redact(row)
            if isinstance(redacted, Drop):
                dropped.append(_dropped(lifecycle["request_id"], redacted.reason, redacted.detail))
                continue
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
            keys.append(
                lifecycle
                | {
                    "void": not row.lesson,
                    "commit_key": duplicates.commit_key(
                        lifecycle["document_id"], row.prefix, row.committed or "", row.suffix
                    ),
                    "content_key": duplicates.content_key(row.language, row.prefix, row.lesson, row.suffix),
                }
            )
    return Refined(_table(candidates, CANDIDATES), _table(keys, KEYS), _table(dropped, DROPPED))


def select(keys: pa.Table, settings: Curation) -> Selection:
    """Apply the rules that look at many rows: overlaps, duplicates, the cap per user, the split, the share of silence.

    Args:
        keys: schema ``KEYS``, of all shards of a day, in any order.
        settings: section ``curation``.
    """
    left = keys.sort_by("request_id")
    dropped: duplicates.Dropped = {}

    def leave_out(more: duplicates.Dropped) -> None:
        nonlocal left
        dropped.update(more)
        gone = pa.array(list(more), pa.string())
        left = left.filter(pc.invert(pc.is_in(left["request_id"], value_set=gone)))

    leave_out(duplicates.overlapping(left))
    leave_out(duplicates.repeated(left))
    leave_out(balance.beyond_cap(left, settings.max_per_user))
    splits, notes = split(left, settings)
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


def _row(lifecycle: dict[str, Any], verdict: dict[str, Any]) -> Row:
    committed = lifecycle["committed"]
    fills = committed is not None and verdict.get("verdict") == "fill"
    return Row(
        language=lifecycle["language"],
        prefix=lifecycle["prefix"],
        suffix=lifecycle["suffix"],
        proposal=lifecycle["proposal"],
        committed=committed,
        committed_120s=lifecycle["committed_120s"],
        close_reason=lifecycle["close_reason"],
        confidence=lifecycle["confidence"],
        cut=verdict.get("cut"),
        cut_probability=verdict.get("cut_probability"),
        verdict=verdict.get("verdict"),
        verdict_probability=verdict.get("verdict_probability"),
        lesson=committed[: verdict["cut"]] if fills else "",
    )


def _dropped(request_id: str, reason: Reason, detail: str | None = None) -> dict[str, Any]:
    return {"request_id": request_id, "stage": reason.stage, "reason": reason.code, "detail": detail}


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)

"""Lifecycles in, verdicts out: the teacher's stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.schema.conform import conform
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.schema.verdicts import VERDICTS
from echo_ops.teacher.cutpoints import cut_points
from echo_ops.teacher.port import Question, Teacher

BATCH = 4096
"""Questions per call of the teacher: bounds memory; large beside the requests in flight, so that these stay full."""

ASKED_ABOUT = ("request_id", "language", "prefix", "suffix", "proposal", "committed")


def judge(lifecycles: pa.Table, teacher: Teacher) -> pa.Table:
    """What the teacher says of each lifecycle ("Echo", 2026: the teacher marks where the intent ends).

    Args:
        lifecycles: schema ``LIFECYCLES``, in any order.
        teacher: who is asked.

    Returns:
        Schema ``VERDICTS``, by ``request_id``: one row per lifecycle whose commit is known and that was not closed by
        the horizon, but for those whose answer the teacher had to refuse (curation drops them: ``teacher_invalid``).

    Raises:
        SchemaError: a column is missing.
        TeacherError: the teacher is gone or answers outside its choices.
        BudgetError: the budget of requests is used up.
    """
    wanted = pa.schema([LIFECYCLES.field(name) for name in (*ASKED_ABOUT, "close_reason")])
    table = conform(lifecycles.select([n for n in wanted.names if n in lifecycles.column_names]), wanted, "lifecycles")
    judged = pc.and_(pc.is_valid(table["committed"]), pc.not_equal(table["close_reason"], "horizon"))
    table = table.filter(judged).sort_by("request_id")
    rows = [
        row for start in range(0, table.num_rows, BATCH) for row in _judge_batch(table.slice(start, BATCH), teacher)
    ]
    return pa.Table.from_pylist(rows, schema=VERDICTS)


def _judge_batch(table: pa.Table, teacher: Teacher) -> Iterator[dict[str, Any]]:
    ids, *texts = (table[name].to_pylist() for name in ASKED_ABOUT)
    questions = [
        Question(language, prefix, suffix, proposal, committed, cut_points(language, prefix, committed, suffix))
        for language, prefix, suffix, proposal, committed in zip(*texts, strict=True)
    ]
    for request_id, answer in zip(ids, teacher.ask(questions), strict=True):
        if answer is not None:
            yield {
                "request_id": request_id,
                "cut": answer.cut.offset,
                "cut_kind": answer.cut.kind,
                "cut_probability": answer.cut_probability,
                "verdict": answer.verdict,
                "verdict_probability": answer.verdict_probability,
                "teacher": teacher.name,
                "prompt_version": teacher.prompt_version,
            }

"""Lifecycles in, verdicts out: the teacher's stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.schema.conform import conform
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.schema.verdicts import VERDICTS
from echo_ops.teacher.cutpoints import cut_points
from echo_ops.teacher.port import Question, Teacher

BATCH = 1024
"""Rows whose texts are Python strings at once."""

ASKED_ABOUT = ("request_id", "language", "prefix", "suffix", "proposal", "committed")


def judge(lifecycles: pa.Table, teacher: Teacher, progress: Callable[[int, int], None] | None = None) -> pa.Table:
    """What the teacher says of each lifecycle ("Echo", 2026: the teacher marks where the intent ends).

    Args:
        lifecycles: schema ``LIFECYCLES``, in any order.
        teacher: who is asked.
        progress: told how many of the questions are answered, and how many there are.

    Returns:
        Schema ``VERDICTS``, by ``request_id``: one row per lifecycle whose commit is known and that was not closed by
        the horizon, but for those whose answer the teacher had to refuse (curation drops them: ``teacher_invalid``).

    Raises:
        SchemaError: a column is missing.
        TeacherError: the teacher is gone or answers outside its choices.
        BudgetError: the budget of requests or tokens is used up.
    """
    wanted = pa.schema([LIFECYCLES.field(name) for name in (*ASKED_ABOUT, "close_reason")])
    table = conform(lifecycles.select([n for n in wanted.names if n in lifecycles.column_names]), wanted, "lifecycles")
    judged = pc.and_(pc.is_valid(table["committed"]), pc.not_equal(table["close_reason"], "horizon"))
    table = table.filter(judged).sort_by("request_id")
    tell = progress or (lambda _done, _all: None)
    answers = teacher.ask(_questions(table), lambda done: tell(done, table.num_rows))
    judged_rows = [
        (
            request_id,
            answer.cut.offset,
            answer.cut.kind,
            answer.cut_probability,
            answer.verdict,
            answer.verdict_probability,
        )
        for request_id, answer in zip(table["request_id"].to_pylist(), answers, strict=True)
        if answer is not None
    ]
    columns = list(zip(*judged_rows, strict=True)) or [()] * (len(VERDICTS) - 2)
    who = [[teacher.name] * len(judged_rows), [teacher.prompt_version] * len(judged_rows)]
    arrays = [pa.array(column, field.type) for column, field in zip([*columns, *who], VERDICTS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=VERDICTS)


def _questions(table: pa.Table) -> Iterator[Question]:
    """The questions one by one, as the teacher has time for them: finding the cuts is what takes longest."""
    for batch in table.select(ASKED_ABOUT[1:]).to_batches(max_chunksize=BATCH):
        for language, prefix, suffix, proposal, committed in zip(*map(pa.Array.to_pylist, batch.columns), strict=True):
            cuts = cut_points(language, prefix, committed, suffix)
            yield Question(language, prefix, suffix, proposal, committed, cuts)

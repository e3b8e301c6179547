"""The student of a run: what it would have been asked, in its own tokens, and how likely it finds each lesson."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from echo_ops.errors import InputError
from echo_ops.pipeline.champion import base_model_folder
from echo_ops.schema.scores import STUDENT
from echo_ops.settings import Settings, Training
from echo_ops.teacher.usage import Usage

if TYPE_CHECKING:
    from echo_ops.teacher.perplexity import Student, Text
    from echo_ops.training.fim import Layout

BATCH = 1024
"""Rows whose texts are Python strings at once."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A student, and how it is asked.

    Args:
        student: who is asked.
        layout: of the student's tokenizer.
        training: how much of a context it sees.
    """

    student: Student
    layout: Layout
    training: Training

    def score(
        self, lifecycles: pa.Table, verdicts: pa.Table, progress: Callable[[int, int], None] | None = None
    ) -> pa.Table:
        """Schema ``STUDENT``: of each lesson, as the verdicts cut it, the nats of its tokens and its end.

        The context is laid out as in training and serving. Not scored are lessons of silence, of which one token would
        say little; lessons that no context of the student holds; and what its server cannot take.

        Args:
            lifecycles: schema ``LIFECYCLES``.
            verdicts: schema ``VERDICTS``.
            progress: told how many lessons were handed over, and how many lifecycles there are; from another thread.

        Raises:
            TeacherError: the student is gone; BudgetError: its budget is used up. Scores so far are in its cache.
        """
        from echo_ops.teacher.perplexity import Text
        from echo_ops.training.fim import LessonTooLong
        from echo_ops.training.healing import healed

        tell = progress or (lambda _done, _all: None)
        asked: list[tuple[str, int]] = []
        limits = self.training.context_tokens, self.training.max_new_tokens

        def texts() -> Iterator[Text]:
            for request_id, prefix, suffix, lesson in _lessons(lifecycles, verdicts):
                shown = healed(prefix, lesson) if self.training.token_healing else (prefix, lesson)
                try:
                    example = self.layout.render(shown[0], suffix, shown[1], *limits)
                except LessonTooLong:
                    continue
                asked.append((request_id, len(lesson) + 1))  # the end counts as one character, as in an evaluation
                tell(len(asked), lifecycles.num_rows)
                yield Text(example.context, example.lesson)

        nats = self.student.score(texts())
        rows = [
            {"request_id": request_id, "nats_per_character": total / characters}
            for (request_id, characters), total in zip(asked, nats, strict=True)
            if total is not None
        ]
        return pa.Table.from_pylist(rows, schema=STUDENT)


def of_day(day: date, settings: Settings) -> Scorer | None:
    """Who scores a shard of a day; None where no student is served. All shards share scores and budget.

    Raises:
        InputError: the tokenizer cannot be read, or knows no FIM.
        TeacherError: the student does not answer, or does not serve the model.
    """
    return _scorer(settings, _place(day, settings), shares_budget=True)


def of_file(settings: Settings, cache: Path | None) -> Scorer | None:
    """Who scores a file; as ``of_day``, with a budget of its own. Scores are kept in the lake where not elsewhere."""
    place = f"{cache}/student" if cache else f"{settings.lake_uri}/_student_cache/files"
    return _scorer(settings, place, shares_budget=False)


def spent(day: date, settings: Settings) -> Usage:
    """What the student of a day has cost so far, over all shards, retries and reruns."""
    from echo_ops.teacher.budget import Ledger

    return Ledger(_place(day, settings)).total()


def _lessons(lifecycles: pa.Table, verdicts: pa.Table) -> Iterator[tuple[str, str, str, str]]:
    """Request, prefix, suffix and lesson of each row that the verdicts would fill, and whose commit has one reading."""
    said = zip(*(verdicts[name].to_pylist() for name in ("request_id", "verdict", "cut")), strict=True)
    cuts = {request_id: cut for request_id, verdict, cut in said if verdict == "fill"}
    columns = ["request_id", "prefix", "suffix", "committed", "confidence"]
    for batch in lifecycles.select(columns).to_batches(max_chunksize=BATCH):
        for request_id, prefix, suffix, committed, confidence in zip(
            *map(pa.Array.to_pylist, batch.columns), strict=True
        ):
            lesson = (committed or "")[: cuts.get(request_id, 0)]
            if lesson and confidence != "ambiguous":
                yield request_id, prefix, suffix, lesson


def _scorer(settings: Settings, place: str, *, shares_budget: bool) -> Scorer | None:
    if settings.student.url is None:
        return None
    from echo_ops.teacher.perplexity import connect
    from echo_ops.training.fim import Layout

    layout = Layout(_tokenizer(settings))
    return Scorer(connect(settings.student, place, shares_budget=shares_budget), layout, settings.training)


def _tokenizer(settings: Settings) -> Any:
    from transformers import PreTrainedTokenizerFast  # AutoTokenizer would import torch

    place = settings.student.tokenizer or settings.base_model or str(base_model_folder(settings))
    try:
        return PreTrainedTokenizerFast.from_pretrained(place)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the student's tokenizer cannot be read from {place} ({type(error).__name__}); set "
            "ECHO_STUDENT_TOKENIZER to a folder with tokenizer.json, or to a hub id that this machine can reach"
        ) from None


def _place(day: date, settings: Settings) -> str:
    return f"{settings.lake_uri}/_student_cache/day={day}"

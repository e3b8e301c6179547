"""What a model would have proposed for held-out requests, and how likely it finds what the users wrote.

Also a program: ``python -m echo_ops.training.evaluate SPEC.json`` (see ``progress``), which ``launch`` starts.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.schema.examples import EXAMPLES
from echo_ops.settings import Training
from echo_ops.training import infilling, lessons
from echo_ops.training.device import clear_errors
from echo_ops.training.generation import Asked, Generator, TransformersGenerator
from echo_ops.training.progress import Progress, Report, run_apart, serve, silent
from echo_ops.training.scores import SCORES, score

COLUMNS = pa.schema(
    [EXAMPLES.field(name) for name in ("request_id", "language", "prefix", "suffix", "lesson", "committed")]
)


@dataclass(frozen=True, slots=True)
class EvaluationSpec:
    """All that shapes an evaluation. Written by pipeline; read by ``launch``."""

    model: str  # folder or hub id
    examples: str  # Parquet file of EXAMPLES; every row is evaluated, whatever its split
    out: str  # Parquet file for the SCORES
    training: Training
    infilling: str | None = None  # JSONL file of problems to complete, see infilling
    infilling_tokens: int = 256

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self) | {"training": self.training.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EvaluationSpec:
        """The inverse of ``to_dict``."""
        return cls(**{**data, "training": Training(**data["training"])})

    @property
    def proposals(self) -> Path:
        """Parquet file of what the model proposed: request_id, proposal. For samples; it goes with the examples."""
        return Path(self.out).with_suffix(".proposals.parquet")

    @property
    def completions(self) -> Path:
        """JSON file of what the model wrote for each problem, by task."""
        return Path(self.out).with_suffix(".completions.json")


def launch(spec: EvaluationSpec, report: Report = silent) -> pa.Table:
    """``work`` in a process of its own; gives the SCORES.

    Raises:
        InputError, TrainingError: as ``evaluate``; the latter also where the process was killed.
    """
    run_apart("echo_ops.training.evaluate", spec.to_dict(), report, spec.training.threads)
    return pq.read_table(spec.out, schema=SCORES)


def work(spec: EvaluationSpec, report: Report = silent, generator: Generator | None = None) -> None:
    """``evaluate`` from file to file: leaves SCORES at ``spec.out``, and the texts beside it.

    Raises:
        InputError: the examples, the model or the problems cannot be read.
        TrainingError, TeacherError: as ``Generator.answer``.
    """
    generator = generator or TransformersGenerator(spec.model, spec.training)
    proposals: dict[str, str] = {}
    rows = pa.Table.from_batches(lessons.read(spec.examples, columns=COLUMNS), COLUMNS)
    scores = evaluate(spec.model, rows, spec.training, report, generator, proposals)
    _write(pa.table({"request_id": list(proposals), "proposal": list(proposals.values())}), spec.proposals)
    if spec.infilling is not None:
        problems = infilling.read(Path(spec.infilling))
        report(Progress("infilling", 0, len(problems)))
        tokens = spec.training.context_tokens
        completions = infilling.complete(problems, generator, tokens, min(spec.infilling_tokens, tokens // 2))
        spec.completions.write_text(json.dumps(completions, sort_keys=True))
    _write(scores, Path(spec.out))


def evaluate(
    model: str | Path,
    rows: pa.Table,
    training: Training,
    report: Report = silent,
    generator: Generator | None = None,
    proposals: dict[str, str] | None = None,
) -> pa.Table:
    """Complete each request greedily, and measure the likelihood of its lesson in its context, as in training.

    Args:
        model: folder or hub id; not read where there is a generator.
        rows: EXAMPLES, or its COLUMNS; the language may be left out.
        training: ``context_tokens``, ``max_new_tokens``, ``evaluation_batch_size`` and ``threads`` count here.
        report: is told of the rows that are done.
        generator: who answers; None: transformers, here.
        proposals: gets what was proposed, by request.

    Returns:
        SCORES in the order of ``request_id``; the same for any order of ``rows``.

    Raises:
        InputError: the model cannot be read, or its tokenizer knows no FIM.
        TrainingError, TeacherError: as ``Generator.answer``.
    """
    generator = generator or TransformersGenerator(str(model), training)
    requests = sorted(rows.to_pylist(), key=lambda row: str(row["request_id"]))
    layout = generator.layout
    asked = [Asked.at_caret(row["prefix"], row["suffix"], layout, training, row["lesson"]) for row in requests]
    scored: dict[int, dict[str, Any]] = {}
    for index, answer in generator.answer(asked, training.max_new_tokens):
        row, example = requests[index], asked[index].example
        tokens = len(example.lesson) if example else len(layout.encode(row["lesson"])) + 1
        proposal = asked[index].proposal(answer, layout)
        scored[index] = score(row, proposal, answer.nats, tokens)
        if proposals is not None:
            proposals[row["request_id"]] = proposal
        if len(scored) % training.evaluation_batch_size == 0 or len(scored) == len(requests):
            report(Progress("evaluate", len(scored), len(requests)))
    return pa.Table.from_pylist([scored[index] for index in range(len(requests))], schema=SCORES)


def _write(table: pa.Table, out: Path) -> None:
    part = out.with_name(f".{out.name}.part")
    with clear_errors(str(out)):
        pq.write_table(table, part)
        part.replace(out)


def _main(spec: dict[str, Any], report: Report) -> dict[str, Any]:
    work(EvaluationSpec.from_dict(spec), report)
    return {}


if __name__ == "__main__":
    sys.exit(serve(_main))

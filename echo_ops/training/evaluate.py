"""What a model would have proposed for held-out requests, and how likely it finds what the users wrote.

Also a program: ``python -m echo_ops.training.evaluate SPEC.json`` (see ``progress``), which ``launch`` starts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.errors import InputError
from echo_ops.schema.conform import conform
from echo_ops.schema.examples import EXAMPLES
from echo_ops.settings import Training
from echo_ops.training.device import best_device, clear_errors, load_model, load_tokenizer
from echo_ops.training.fim import Layout, LessonTooLong, Rendered
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

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        training = self.training.model_dump(mode="json")
        return {"model": self.model, "examples": self.examples, "out": self.out, "training": training}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EvaluationSpec:
        """The inverse of ``to_dict``."""
        return cls(**{**data, "training": Training(**data["training"])})


def read(examples: str | Path) -> pa.Table:
    """The columns of EXAMPLES that an evaluation needs, of a Parquet file.

    Raises:
        InputError: there is no such file, it is no Parquet, or it lacks a column.
    """
    try:
        rows = pq.read_table(examples)
    except (OSError, pa.ArrowInvalid):
        raise InputError(f"{examples} is no Parquet file that can be read; wanted are rows of EXAMPLES") from None
    return conform(rows.select([name for name in COLUMNS.names if name in rows.column_names]), COLUMNS, str(examples))


def launch(spec: EvaluationSpec, report: Report = silent) -> pa.Table:
    """``evaluate`` in a process of its own; gives the SCORES, and leaves them at ``spec.out``.

    Raises:
        InputError, TrainingError: as ``evaluate``; the latter also where the process was killed.
    """
    run_apart("echo_ops.training.evaluate", spec.to_dict(), report, spec.training.threads)
    return pq.read_table(spec.out, schema=SCORES)


def evaluate(model: str | Path, rows: pa.Table, training: Training, report: Report = silent) -> pa.Table:
    """Complete each request greedily, and measure the likelihood of its lesson in its context, as in training.

    Args:
        model: folder or hub id.
        rows: EXAMPLES, or its COLUMNS; the language may be left out.
        training: ``context_tokens``, ``max_new_tokens``, ``evaluation_batch_size`` and ``threads`` count here.
        report: is told of the rows that are done.

    Returns:
        SCORES in the order of ``request_id``; the same for any order of ``rows``.

    Raises:
        InputError: the model cannot be read, or its tokenizer knows no FIM.
        TrainingError: memory ran out.
    """
    import torch

    if training.threads is not None:
        torch.set_num_threads(training.threads)
    device = best_device()
    layout = Layout(load_tokenizer(str(model)))
    # On a CPU in float32, so that rounding, which depends on a batch's shape, decides no comparison.
    network = load_model(str(model), torch.bfloat16 if device.name == "cuda" else torch.float32)
    network.to(device.name).eval()
    requests = [
        _Request.of(row, layout, training) for row in sorted(rows.to_pylist(), key=lambda row: str(row["request_id"]))
    ]
    by_length = sorted(range(len(requests)), key=lambda index: len(requests[index].prompt))  # little padding
    scored: dict[int, dict[str, Any]] = {}
    with clear_errors(str(model)), torch.inference_mode():
        for start in range(0, len(requests), training.evaluation_batch_size):
            indices = by_length[start : start + training.evaluation_batch_size]
            batch = [requests[index] for index in indices]
            proposals = _propose(network, layout, [request.prompt for request in batch], training.max_new_tokens)
            nats = _nats(network, layout, [request.example for request in batch])
            for index, request, proposal, nll in zip(indices, batch, proposals, nats, strict=True):
                scored[index] = score(request.row, proposal, nll, request.tokens)
            report(Progress("evaluate", len(scored), len(requests)))
    return pa.Table.from_pylist([scored[index] for index in range(len(requests))], schema=SCORES)


@dataclass(frozen=True, slots=True)
class _Request:
    row: dict[str, Any]
    prompt: list[int]
    example: Rendered | None  # None where the lesson alone is longer than the context
    tokens: int

    @classmethod
    def of(cls, row: dict[str, Any], layout: Layout, training: Training) -> _Request:
        prefix, suffix, lesson = row["prefix"], row["suffix"], row["lesson"]
        prompt = layout.prompt(prefix, suffix, training.context_tokens, training.max_new_tokens)
        try:
            example = layout.render(prefix, suffix, lesson, training.context_tokens, training.max_new_tokens)
        except LessonTooLong:
            return cls(row, prompt, None, len(layout.encode(lesson)) + 1)
        return cls(row, prompt, example, len(example.lesson))


def _propose(network: Any, layout: Layout, prompts: Sequence[list[int]], max_new_tokens: int) -> list[str]:
    """The greedy continuation of each prompt, up to its end token."""
    import torch
    from transformers import GenerationConfig

    ids, mask = _left_padded(prompts, layout.end_id, network.device)
    # A configuration of our own: a model's default may sample, or punish repetition.
    greedy = GenerationConfig(
        max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=layout.end_id, pad_token_id=layout.end_id
    )
    generated: torch.Tensor = network.generate(input_ids=ids, attention_mask=mask, generation_config=greedy)
    return [layout.decode(tokens) for tokens in generated[:, ids.shape[1] :].tolist()]


def _nats(network: Any, layout: Layout, examples: Sequence[Rendered | None]) -> list[float | None]:
    """Negative log-likelihood of each example's lesson and end; None where there is no example."""
    import torch

    known = [example for example in examples if example is not None]
    if not known:
        return [None] * len(examples)
    ids, mask = _left_padded([example.input_ids for example in known], layout.end_id, network.device)
    longest = max(len(example.lesson) for example in known)
    # Left padding puts all lessons at the end: only there are logits wanted, which are large for large vocabularies.
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    logits = network(
        input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=longest + 1
    ).logits[:, :-1]
    nats = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), ids[:, -longest:].flatten(), reduction="none"
    ).view(len(known), longest)
    sums = iter([float(row[longest - len(one.lesson) :].sum()) for row, one in zip(nats, known, strict=True)])
    return [next(sums) if example is not None else None for example in examples]


def _left_padded(rows: Sequence[list[int]], pad: int, device: Any) -> tuple[Any, Any]:
    """Token ids and attention mask, both (rows, longest)."""
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids.to(device), mask.to(device)


def _main(spec: dict[str, Any], report: Report) -> dict[str, Any]:
    asked = EvaluationSpec.from_dict(spec)
    scores = evaluate(asked.model, read(asked.examples), asked.training, report)
    out = Path(asked.out)
    part = out.with_name(f".{out.name}.part")
    with clear_errors(str(out)):
        pq.write_table(scores, part)
        part.replace(out)
    return {"rows": scores.num_rows}


if __name__ == "__main__":
    sys.exit(serve(_main))

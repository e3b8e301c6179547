"""Fine-tuning on lessons with TRL's SFTTrainer: from a checkpoint to a checkpoint.

Also a program: ``python -m echo_ops.training.finetune SPEC.json`` (see ``progress``), which ``launch`` starts, so that
an Airflow worker needs no torch.

The checkpoint is whole, with LoRA too: the adapter is merged into the base, and kept beside it in ``adapter/``. So
transformers and vLLM load the folder as it is, and the next night starts from it. It appears under its name when it
is complete, by one rename; a run that fails or is killed leaves nothing under that name.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from echo_ops.errors import TrainingError
from echo_ops.settings import Training
from echo_ops.training import lessons as lesson_files
from echo_ops.training.device import best_device, clear_errors, load_tokenizer
from echo_ops.training.fim import Layout
from echo_ops.training.lessons import Lessons
from echo_ops.training.progress import Report, run_apart, serve, silent
from echo_ops.training.trainer import train

LEARNING_RATES = {"lora": 2e-4, "full": 2e-5}


@dataclass(frozen=True, slots=True)
class FinetuneSpec:
    """All that shapes a fine-tuning. Written by pipeline; read by ``finetune``."""

    model: str  # folder or hub id of the checkpoint to start from
    examples: str  # Parquet file of EXAMPLES; rows with split train are learned
    out: str  # folder of the new checkpoint; what was there is replaced
    training: Training

    @property
    def learning_rate(self) -> float:
        """The peak learning rate, resolved."""
        return self.training.learning_rate or LEARNING_RATES[self.training.method]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "model": self.model,
            "examples": self.examples,
            "out": self.out,
            "training": self.training.model_dump(mode="json"),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FinetuneSpec:
        """The inverse of ``to_dict``."""
        return cls(**{**data, "training": Training(**data["training"])})


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """What a fine-tuning did. Written by ``finetune``; the checkpoint itself holds weights alone, so that the same
    training gives the same bytes, and is registered once."""

    model: str  # folder of the checkpoint
    method: str
    learning_rate: float
    layout: str  # family and order of the FIM tokens
    device: str
    rows: int  # lessons of the file that were learned
    too_long: int  # lessons left out: longer than ECHO_TRAINING_CONTEXT_TOKENS
    examples_hash: str  # of the file's bytes
    steps: int
    tokens: int  # of context and lesson, over all steps
    target_tokens: int  # with loss, over all steps
    losses: tuple[tuple[int, float], ...]  # step, mean nats per token with loss
    packing: str  # how lessons share rows; see ``packing.Packing``
    padding_share: float  # of the tokens that went through the model
    seconds: float

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FinetuneResult:
        """From plain JSON."""
        return cls(**{**data, "losses": tuple((int(step), float(loss)) for step, loss in data["losses"])})


def launch(spec: FinetuneSpec, report: Report = silent) -> FinetuneResult:
    """``finetune`` in a process of its own.

    Raises:
        InputError, TrainingError: as ``finetune``; the latter also where the process was killed.
    """
    outcome = run_apart("echo_ops.training.finetune", spec.to_dict(), report, spec.training.threads)
    return FinetuneResult.from_dict(outcome)


def finetune(spec: FinetuneSpec, report: Report = silent) -> FinetuneResult:
    """Learn the lessons of a file and write a checkpoint. On one CPU, the same spec gives the same weights.

    Raises:
        InputError: the model or the lessons cannot be used.
        TrainingError: the loss is no number any more, memory or disk ran out; nothing is left at ``spec.out``.
    """
    began = time.monotonic()
    out = Path(spec.out).absolute()
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    try:
        with clear_errors(str(out)):
            part.mkdir(parents=True)
            tokenizer = load_tokenizer(spec.model)
            layout = Layout(tokenizer)
            training = spec.training
            rendered = lesson_files.render(
                spec.examples, layout, training.context_tokens, training.max_new_tokens, part / "lessons.arrow"
            )
            rows = _rows_of(rendered, training)
            device = best_device()
            learned = train(spec.model, training, spec.learning_rate, layout, rendered, rows, device, part, report)
            (part / "lessons.arrow").unlink()
            shutil.rmtree(part / "trainer", ignore_errors=True)
            load_tokenizer(spec.model).save_pretrained(part)  # afresh: the trainer sets tokens of its own
            with Path(spec.examples).open("rb") as file:
                examples_hash = hashlib.file_digest(file, "sha256").hexdigest()
            result = FinetuneResult(
                model=str(out),
                method=training.method,
                learning_rate=spec.learning_rate,
                layout=f"{layout.family.name} {layout.order}",
                device=device.name,
                rows=len(rendered.request_ids),
                too_long=rendered.too_long,
                examples_hash=examples_hash,
                steps=learned.steps,
                tokens=sum(rendered.lengths[row] for row in rows),
                target_tokens=sum(rendered.targets[row] for row in rows),
                losses=learned.losses,
                packing=learned.packing,
                padding_share=learned.padding_share,
                seconds=round(time.monotonic() - began, 1),
            )
            shutil.rmtree(out, ignore_errors=True)
            part.rename(out)
            return result
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _rows_of(lessons: Lessons, training: Training) -> list[int]:
    rows = lesson_files.order(lessons, training.batch_size, training.epochs, training.seed)
    if not rows:
        raise TrainingError(
            f"{len(lessons.request_ids)} lessons with a weight of {sum(lessons.weights):.2g} in all give no step; "
            "raise ECHO_TRAINING_EPOCHS or train on more days"
        )
    return rows if training.max_steps is None else rows[: training.max_steps * training.batch_size]


def _main(spec: dict[str, Any], report: Report) -> dict[str, Any]:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    return asdict(finetune(FinetuneSpec.from_dict(spec), report))


if __name__ == "__main__":
    sys.exit(serve(_main))

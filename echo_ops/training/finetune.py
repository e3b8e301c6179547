"""Fine-tuning on lessons with TRL's SFTTrainer: from a checkpoint to a checkpoint.

Also a program: ``python -m echo_ops.training.finetune SPEC.json`` (see ``progress``), which ``launch`` starts, so that
an Airflow worker needs no torch.

The checkpoint is whole, with LoRA too: the adapter is merged into the base, and kept beside it in ``adapter/``. So
transformers and vLLM load the folder as it is, and the next night starts from it. It appears under its name when it
is complete, by one rename; a run that fails or is killed leaves nothing under that name.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from echo_ops.errors import InputError, TrainingError
from echo_ops.settings import Training
from echo_ops.training import lessons as lesson_files
from echo_ops.training.detached import FOLDER, end_when_left, run_detached
from echo_ops.training.device import best_device, clear_errors, load_tokenizer, main_process_first
from echo_ops.training.fim import Layout
from echo_ops.training.lessons import Lessons
from echo_ops.training.progress import Report, serve, silent
from echo_ops.training.trainer import Rows, learn

LEARNING_RATES = {"lora": 2e-4, "full": 2e-5}


@dataclass(frozen=True, slots=True)
class FinetuneSpec:
    """All that shapes a fine-tuning. Written by pipeline; read by ``finetune``."""

    model: str  # folder or hub id of the checkpoint to start from
    examples: str  # Parquet file of EXAMPLES; rows with split train are learned
    out: str  # folder of the new checkpoint; what was there is replaced
    training: Training
    static: str | None = None  # another such file, of rows that are replayed every night

    @property
    def files(self) -> list[str]:
        """The files that are learned."""
        return [self.examples, *filter(None, [self.static])]

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
            "static": self.static,
        }

    def identity(self) -> str:
        """The same for the same work: what it is told, and the lessons themselves.

        Raises:
            InputError: the file of lessons cannot be read.
        """
        return json.dumps([self.to_dict(), *map(_hash_of, self.files)], sort_keys=True)

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
    """``finetune`` in a process of its own, or of several with ``ECHO_TRAINING_GPUS``; see ``detached``.

    Asked again for the same, after its caller was killed, it follows the process that is still at work.

    Raises:
        InputError, TrainingError: as ``finetune``.
        UnavailableError: the process was killed; the next try goes on from its last checkpoint.
    """
    training = spec.training
    outcome = run_detached(
        command_of(training.gpus),
        spec.to_dict(),
        spec.identity(),
        run_folder(spec.out),
        report,
        patience=training.orphan_minutes * 60,
        threads=training.threads,
    )
    return FinetuneResult.from_dict(outcome)


def command_of(gpus: int) -> list[str]:
    """What ``launch`` starts: this module, on several GPUs through Accelerate's launcher, a process for each."""
    module = "echo_ops.training.finetune"
    if gpus == 1:
        return [sys.executable, "-m", module]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    # precision is the trainer's, and a port that is free lets two trainings share a machine
    settled = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    return [*launcher, "--num_processes", str(gpus), *settled, "-m", module]


def run_folder(out: str) -> Path:
    """Where ``launch`` keeps what it must know to find its process again."""
    path = Path(out).absolute()
    return path.with_name(f".{path.name}.run")


def finetune(spec: FinetuneSpec, report: Report = silent) -> FinetuneResult:
    """Learn the lessons of a file and write a checkpoint. On one CPU, the same spec gives the same weights.

    A run that is killed leaves its own checkpoints in a hidden folder; the next one with the same spec and the same
    lessons goes on from the last of them. A run that fails leaves nothing.

    Raises:
        InputError: the model or the lessons cannot be used.
        TrainingError: the loss is no number any more, memory or disk ran out; nothing is left at ``spec.out``.
    """
    began = time.monotonic()
    out = Path(spec.out).absolute()
    part = out.with_name(f".{out.name}.part")
    training, device, rank = spec.training, best_device(), int(os.environ.get("RANK", "0"))
    if (processes := int(os.environ.get("WORLD_SIZE", "1"))) != training.gpus:
        raise InputError(
            f"{processes} processes were started for {training.gpus} GPUs, see ECHO_TRAINING_GPUS; use launch"
        )
    try:
        with clear_errors(str(out)):
            with main_process_first(training.gpus, device):
                _prepare(part, spec.identity(), rank)
            tokenizer = load_tokenizer(spec.model)
            layout = Layout(tokenizer)
            lessons = lesson_files.render(
                spec.files,
                layout,
                training.context_tokens,
                training.max_new_tokens,
                part / f"lessons-{rank}.arrow",
                training.token_healing,
            )
            order = _order(lessons, training)
            lengths = [lessons.lengths[row] for row in order]
            rows = Rows(lesson_files.dataset(lessons, order), lengths, layout.end_id)
            learned = learn(spec.model, training, spec.learning_rate, rows, tokenizer, device, part, report)
            if rank == 0:
                load_tokenizer(spec.model).save_pretrained(part)  # afresh: the trainer sets tokens of its own
                _publish(part, out)
            return FinetuneResult(
                model=str(out),
                method=training.method,
                learning_rate=spec.learning_rate,
                layout=f"{layout.family.name} {layout.order}",
                device=device.name,
                rows=len(lessons.request_ids),
                too_long=lessons.too_long,
                examples_hash=_hash_of(spec.examples),
                tokens=sum(lengths),
                target_tokens=sum(lessons.targets[row] for row in order),
                seconds=round(time.monotonic() - began, 1),
                **asdict(learned),
            )
    finally:
        if rank == 0:
            shutil.rmtree(part, ignore_errors=True)


def _prepare(part: Path, identity: str, rank: int) -> None:
    """The folder to work in: that of a run that was killed, if it did the same, else an empty one."""
    if rank:
        return
    note = part / "identity.json"
    if not note.is_file() or note.read_text() != identity:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        note.write_text(identity)


def _publish(part: Path, out: Path) -> None:
    for path in (part / "identity.json", *part.glob("lessons-*.arrow")):
        path.unlink()
    shutil.rmtree(part / "trainer", ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)


def _hash_of(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise InputError(f"{path} is no file that can be read; wanted are rows of EXAMPLES") from None


def _order(lessons: Lessons, training: Training) -> list[int]:
    rows = lesson_files.order(lessons, training.batch_size, training.epochs, training.seed)
    if not rows:
        raise TrainingError(
            f"{len(lessons.request_ids)} lessons with a weight of {sum(lessons.weights):.2g} in all give no step; "
            "raise ECHO_TRAINING_EPOCHS or train on more days"
        )
    return rows if training.max_steps is None else rows[: training.max_steps * training.batch_size]


def _main(spec: dict[str, Any], report: Report) -> dict[str, Any]:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    if FOLDER in os.environ:
        end_when_left()
    given = FinetuneSpec.from_dict(spec)
    if given.training.gpus == 1:
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # the trainer refuses to see more GPUs than it has processes
    return asdict(finetune(given, report))


if __name__ == "__main__":
    sys.exit(serve(_main))

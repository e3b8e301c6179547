"""TRL's SFTTrainer on lessons: its loop, optimizer and checkpoints; our rows, and logits where there is loss alone."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from echo_ops.errors import InputError, TrainingError
from echo_ops.settings import Training
from echo_ops.training.device import Device, flash_attention, load_model
from echo_ops.training.fim import IGNORED
from echo_ops.training.packing import Packing, cells, collate, keeps_apart, pack, passes
from echo_ops.training.progress import Progress, Report

WARMUP = 0.05  # share of the steps
LOSSES = 100  # reports over a run
WHOLE = "whole"  # a file in a checkpoint of the trainer, put there last
LOWER_RATE = "lower ECHO_TRAINING_LEARNING_RATE"


@dataclass(frozen=True, slots=True)
class Rows:
    """What is learned, in its order. Written by ``finetune``; read by ``learn``."""

    dataset: Any  # of ``datasets``, with ``input_ids`` and ``labels``
    lengths: list[int]  # tokens of each row
    pad_id: int


@dataclass(frozen=True, slots=True)
class Learned:
    """What a run of the trainer did. Written by ``learn``; read by ``finetune``."""

    steps: int
    losses: tuple[tuple[int, float], ...]  # step, mean nats per token with loss
    packing: Packing
    padding_share: float  # of the tokens that went through the model


def learn(
    model: str, training: Training, rate: float, rows: Rows, tokenizer: Any, device: Device, part: Path, report: Report
) -> Learned:
    """Learn ``rows`` and write config and weights into ``part``; goes on from a checkpoint of the trainer found there.

    Raises:
        InputError: there is no such model.
        TrainingError: the loss or the weights are no numbers any more.
    """
    import torch
    from transformers import AutoConfig

    if training.threads is not None:
        torch.set_num_threads(training.threads)
    lora = training.method == "lora"
    # All weights are learned in float32, with bf16 products: steps of 1e-5 vanish in bf16 weights. Under an adapter
    # the base stays as it is, so it may be held in bf16.
    dtype = torch.bfloat16 if lora and device.name == "cuda" else torch.float32
    loaded = load_model(model, dtype, flash_attention(device)).to(device.local)
    packing = packing_for(loaded)
    folder = part / "trainer"
    trainer = make_trainer(loaded, training, rate, rows, tokenizer, device, packing, folder, report)
    trainer.train(resume_from_checkpoint=last_checkpoint(folder))
    if trainer.is_world_process_zero():
        _write(trainer.accelerator.unwrap_model(trainer.model), AutoConfig.from_pretrained(model).dtype, lora, part)
    on_device = lessons_on_device(training)
    computed = sum(cells(one, pack(one, packing)) for one in passes(rows.lengths, training.batch_size, on_device))
    return Learned(
        steps=trainer.state.max_steps,
        losses=tuple((log["step"], log["loss"]) for log in trainer.state.log_history if "loss" in log),
        packing=packing,
        padding_share=round(1 - sum(rows.lengths) / computed, 4),
    )


def packing_for(model: Any) -> Packing:
    """How lessons share rows in this model, with the attention that it was loaded with."""
    if not keeps_apart(model):
        return "none"
    return "flat" if model.config._attn_implementation.startswith("flash") else "rows"


def lessons_on_device(training: Training) -> int:
    """Lessons of one pass of one process: as many as allowed, so that passes of equal size make a step.

    Raises:
        InputError: a step cannot be shared evenly between the processes.
    """
    share, rest = divmod(training.batch_size, training.gpus)
    if rest or not share:
        raise InputError(
            f"a step of {training.batch_size} lessons cannot be shared between {training.gpus} GPUs; "
            "make ECHO_TRAINING_BATCH_SIZE a multiple of ECHO_TRAINING_GPUS"
        )
    return max(n for n in range(1, training.device_batch_size + 1) if share % n == 0)


def make_trainer(
    model: Any,
    training: Training,
    rate: float,
    rows: Rows,
    tokenizer: Any,
    device: Device,
    packing: Packing,
    folder: Path,
    report: Report,
) -> Any:
    """The trainer, ready to train: a model that is loaded, and everything that shapes its steps."""
    from transformers import PrinterCallback

    tokens = [sum(step) for step in passes(rows.lengths, training.batch_size, training.batch_size)]
    trainer = lesson_trainer()(
        model=model,
        args=arguments(training, rate, len(tokens), device, folder),
        train_dataset=rows.dataset,
        data_collator=partial(collate, pad_id=rows.pad_id, packing=packing),
        processing_class=tokenizer,
        peft_config=adapter(training),
        callbacks=[_watcher(tokens, report)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def arguments(training: Training, rate: float, steps: int, device: Device, folder: Path) -> Any:
    """TRL's settings for rows that are tokens with labels, in an order of our own."""
    from trl import SFTConfig

    on_device = lessons_on_device(training)
    checkpointing = training.gradient_checkpointing
    return SFTConfig(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=on_device,
        gradient_accumulation_steps=training.batch_size // training.gpus // on_device,
        learning_rate=rate,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(steps * WARMUP),
        max_grad_norm=1.0,
        seed=training.seed,
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        bf16=device.bf16,
        use_cpu=device.name == "cpu",
        dataloader_pin_memory=device.name != "cpu",
        activation_checkpointing=device.name != "cpu" if checkpointing is None else checkpointing,
        logging_steps=max(1, steps // LOSSES),
        logging_nan_inf_filter=False,  # the default hides a NaN in the mean
        save_strategy="steps",
        save_steps=training.checkpoint_steps,
        save_total_limit=2,  # the one before stays until the new one is marked whole
        report_to="none",
        disable_tqdm=True,
    )


def adapter(training: Training) -> Any:
    """What is learned beside the weights, for PEFT; None where the weights themselves are."""
    from peft import LoraConfig

    if training.method == "full":
        return None
    rank = training.lora_rank
    return LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules="all-linear")


def last_checkpoint(folder: Path) -> str | None:
    """The last checkpoint of the trainer that was written whole; None where there is none."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{WHOLE}")]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None


def lesson_trainer() -> Any:
    """The class: SFTTrainer, whose loss is the mean over all tokens with loss of a step, and costs only what these do.

    TRL's own scores every position where there is no Triton, and takes each one's entropy.
    """
    from torch.nn.functional import cross_entropy
    from trl import SFTTrainer

    class LessonTrainer(SFTTrainer):  # type: ignore[misc]
        def __init__(self, **given: Any) -> None:
            self._selects = "logits_to_keep" in inspect.signature(type(given["model"]).forward).parameters
            super().__init__(**given)
            self.model_accepts_loss_kwargs = True  # so that the trainer counts a step's tokens with loss

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            if not self._selects or self.aux_loss_enabled or return_outputs:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            given = {name: value for name, value in inputs.items() if name != "labels"}
            following = inputs["labels"].roll(-1, dims=1)
            following[:, -1] = IGNORED
            learned = following != IGNORED
            logits = model(**given, use_cache=False, logits_to_keep=learned).logits  # (tokens with loss, vocabulary)
            total = cross_entropy(logits.float(), following[learned], reduction="sum")
            # The count is that of all processes, and their gradients are averaged.
            return total / num_items_in_batch * self.accelerator.num_processes

    return LessonTrainer


def _watcher(tokens: list[int], report: Report) -> Any:
    """A callback that tells of each loss, stops at one that is no number, and marks checkpoints as whole.

    Args:
        tokens: those of each step.
    """
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if not logs or "loss" not in logs:
                return
            loss, step = float(logs["loss"]), state.global_step
            if not math.isfinite(loss):
                raise TrainingError(f"the loss is {loss} at step {step} of {len(tokens)}; {LOWER_RATE}")
            if state.is_world_process_zero:
                report(Progress("fine-tune", step, len(tokens), loss, sum(tokens[:step])))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                Path(args.output_dir, f"checkpoint-{state.global_step}", WHOLE).touch()

    return Watcher()


def _write(trained: Any, dtype: Any, lora: bool, part: Path) -> None:
    import torch

    if lora:
        trained.save_pretrained(part / "adapter")
        trained = trained.merge_and_unload()
    broken = [name for name, weight in trained.named_parameters() if not torch.isfinite(weight).all()]
    if broken:
        raise TrainingError(f"{len(broken)} weights are no numbers after training; {LOWER_RATE}")
    trained.config.use_cache = True  # the trainer turns it off
    trained.to(dtype or torch.float32).save_pretrained(part)

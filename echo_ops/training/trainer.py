"""TRL's SFTTrainer on lessons: its loop, optimizer and checkpoints; our rows, and logits where there is loss alone."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from echo_ops.errors import TrainingError
from echo_ops.settings import Training
from echo_ops.training import lessons as lesson_files
from echo_ops.training.device import Device, flash_attention, load_model
from echo_ops.training.fim import IGNORED, Layout
from echo_ops.training.lessons import Lessons
from echo_ops.training.packing import Packing, cells, collate, keeps_apart, pack, passes
from echo_ops.training.progress import Progress, Report

WARMUP = 0.05  # share of the steps
LOSSES = 100  # reports over a run
LOWER_RATE = "lower ECHO_TRAINING_LEARNING_RATE"


@dataclass(frozen=True, slots=True)
class Learned:
    """What a run of the trainer did. Written by ``train``; read by ``finetune``."""

    steps: int
    losses: tuple[tuple[int, float], ...]  # step, mean nats per token with loss
    packing: Packing
    padding_share: float  # of the tokens that went through the model


def train(
    model: str,
    training: Training,
    learning_rate: float,
    layout: Layout,
    lessons: Lessons,
    rows: list[int],
    device: Device,
    part: Path,
    report: Report,
) -> Learned:
    """Learn ``rows`` of ``lessons`` in their order, and write config and weights into ``part``.

    Raises:
        InputError: there is no such model.
        TrainingError: the loss or the weights are no numbers any more.
    """
    import torch
    from peft import LoraConfig
    from transformers import AutoConfig, PrinterCallback
    from trl import SFTConfig

    if training.threads is not None:
        torch.set_num_threads(training.threads)
    lora = training.method == "lora"
    # All weights are learned in float32, with bf16 products: steps of 1e-5 vanish in bf16 weights. Under an adapter
    # the base stays as it is, so it may be held in bf16.
    dtype = torch.bfloat16 if lora and device.name == "cuda" else torch.float32
    flash = flash_attention(device)
    loaded = load_model(model, dtype, flash).to(device.name)
    packing: Packing = "none" if not keeps_apart(loaded) else "flat" if flash else "rows"
    on_device = max(n for n in range(1, training.device_batch_size + 1) if training.batch_size % n == 0)
    lengths = [lessons.lengths[row] for row in rows]
    steps = math.ceil(len(rows) / training.batch_size)
    trainer = lesson_trainer()(
        model=loaded,
        args=SFTConfig(
            output_dir=str(part / "trainer"),
            max_steps=steps,
            per_device_train_batch_size=on_device,
            gradient_accumulation_steps=training.batch_size // on_device,
            learning_rate=learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=math.ceil(steps * WARMUP),
            max_grad_norm=1.0,
            seed=training.seed,
            train_sampling_strategy="sequential",  # the order is ours
            dataset_kwargs={"skip_prepare_dataset": True},  # the tokens and labels are ours
            max_length=None,
            bf16=device.bf16,
            use_cpu=device.name == "cpu",
            dataloader_pin_memory=device.name != "cpu",
            activation_checkpointing=device.name != "cpu",
            logging_steps=max(1, steps // LOSSES),
            logging_nan_inf_filter=False,  # the default hides a NaN in the mean
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=lesson_files.dataset(lessons, rows),
        data_collator=partial(collate, pad_id=layout.end_id, packing=packing),
        processing_class=layout.tokenizer,
        peft_config=LoraConfig(
            task_type="CAUSAL_LM",
            r=training.lora_rank,
            lora_alpha=2 * training.lora_rank,
            target_modules="all-linear",
        )
        if lora
        else None,
        callbacks=[
            _reporter([sum(step) for step in passes(lengths, training.batch_size, training.batch_size)], report)
        ],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    _write(trainer.model, AutoConfig.from_pretrained(model).dtype or torch.float32, lora, part)
    computed = sum(cells(one, pack(one, packing)) for one in passes(lengths, training.batch_size, on_device))
    return Learned(
        steps=steps,
        losses=tuple((log["step"], log["loss"]) for log in trainer.state.log_history if "loss" in log),
        packing=packing,
        padding_share=round(1 - sum(lengths) / computed, 4),
    )


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


def _reporter(tokens: list[int], report: Report) -> Any:
    """A callback that tells of each loss, and stops at one that is no number. ``tokens``: those of each step."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if not logs or "loss" not in logs:
                return
            loss, step = float(logs["loss"]), state.global_step
            if not math.isfinite(loss):
                raise TrainingError(f"the loss is {loss} at step {step} of {len(tokens)}; {LOWER_RATE}")
            report(Progress("fine-tune", step, len(tokens), loss, sum(tokens[:step])))

    return Reporter()


def _write(trained: Any, dtype: Any, lora: bool, part: Path) -> None:
    import torch

    if lora:
        trained.save_pretrained(part / "adapter")
        trained = trained.merge_and_unload()
    broken = [name for name, weight in trained.named_parameters() if not torch.isfinite(weight).all()]
    if broken:
        raise TrainingError(f"{len(broken)} weights are no numbers after training; {LOWER_RATE}")
    trained.config.use_cache = True  # the trainer turns it off
    trained.to(dtype).save_pretrained(part)

"""What the models run on, and how they are read: a GPU in bf16 where there is one, else the CPU."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echo_ops.errors import EchoError, InputError, TrainingError


@dataclass(frozen=True, slots=True)
class Device:
    """Where to compute, and whether matrix products are fast in bf16 there."""

    name: str  # as torch has it: cuda, cpu
    bf16: bool

    @property
    def local(self) -> str:
        """As torch has it, with the GPU of this process where several share a training."""
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if self.name == "cuda" else self.name


def best_device() -> Device:
    """The GPU where there is one; bf16 on a CPU only where it has instructions for it, else it is far slower."""
    import torch

    if torch.cuda.is_available():
        return Device("cuda", torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return Device("cpu", bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")))


def load_tokenizer(model: str) -> Any:
    """The tokenizer of a folder or a hub id.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise InputError(_unreadable(model, error)) from None


def flash_attention(device: Device) -> str | None:
    """What transformers calls the FlashAttention that is installed; None where there is none, or no GPU for it."""
    from transformers.utils import is_flash_attn_2_available

    return "flash_attention_2" if device.name == "cuda" and is_flash_attn_2_available() else None


def load_model(model: str, dtype: Any, attention: str | None = None) -> Any:
    """The causal language model of a folder or a hub id, on the CPU, in ``dtype``.

    Args:
        attention: an implementation of transformers; unset: its choice.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(model, dtype=dtype, attn_implementation=attention)
    except (OSError, ValueError) as error:
        raise InputError(_unreadable(model, error)) from None


def _unreadable(model: str, error: Exception) -> str:
    what = "no folder with config.json, tokenizer.json and weights" if Path(model).is_dir() else "no model that is here"
    return f"{model} is {what}, nor one that the hub gives ({type(error).__name__}); check ECHO_BASE_MODEL"


@contextmanager
def main_process_first(processes: int, device: Device) -> Iterator[None]:
    """Where several processes share a training, the others enter when the main one has left."""
    if processes == 1:
        yield
        return
    from accelerate import PartialState

    with PartialState(cpu=device.name == "cpu").main_process_first():
        yield


@contextmanager
def clear_errors(what: str) -> Iterator[None]:
    """Memory or disk that ran out, as one clear line. ``what`` is the model or the file that is worked on."""
    try:
        yield
    except EchoError:
        raise
    except Exception as error:
        # torch.save says only that it cannot write
        told = any(sign in str(error) for sign in ("No space left on device", "PytorchStreamWriter failed writing"))
        if getattr(error, "errno", None) == errno.ENOSPC or told:
            raise TrainingError(
                f"the disk is full, {what} was not written; free some space and run it again"
            ) from error
        if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error):
            raise TrainingError(
                f"memory ran out over {what}; lower ECHO_TRAINING_CONTEXT_TOKENS, ECHO_TRAINING_DEVICE_BATCH_SIZE "
                "or ECHO_TRAINING_EVALUATION_BATCH_SIZE"
            ) from error
        raise

"""The model that serves now; on a new installation, the base model becomes the first champion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from echo_ops.errors import InputError
from echo_ops.settings import Settings
from echo_ops.training.progress import Report, silent

if TYPE_CHECKING:
    from echo_ops.rollout.registry import ModelVersion, Registry
    from echo_ops.training.base_model import BaseModelReport


def base_model_folder(settings: Settings) -> Path:
    """Where the small base model is that is made here."""
    return settings.home.absolute() / "base-model"


def make_base_model(settings: Settings, report: Report = silent) -> BaseModelReport:
    """Make the small base model, or read what it can do when it is there already."""
    from echo_ops.training.base_model import launch

    return launch(base_model_folder(settings), report)


def ensure_champion(settings: Settings, registry: Registry) -> ModelVersion:
    """The champion; where there is none yet, the base model is registered as the first one.

    Raises:
        InputError: ``ECHO_BASE_MODEL`` names neither a folder nor a model on the hub.
    """
    champion = registry.champion()
    if champion is not None:
        return champion
    if settings.base_model is None:
        make_base_model(settings)
        folder = base_model_folder(settings)
    else:
        folder = _folder_of(settings.base_model)
    champion = registry.register(folder, run_id=None, tags={"echo.origin": settings.base_model or "base-model"})
    registry.set_alias("champion", champion)
    return champion


def _folder_of(base_model: str) -> Path:
    if Path(base_model).is_dir():
        return Path(base_model).absolute()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(base_model))
    except Exception as error:
        raise InputError(
            f"ECHO_BASE_MODEL={base_model} is no folder, and the hub does not give it ({type(error).__name__}); "
            "name a folder with config.json, tokenizer.json and weights, or a hub id that this machine can reach"
        ) from None

"""A tokenizer of our own, and a model so small that it learns in seconds."""

from pathlib import Path
from typing import Any

import pytest

TEXTS = [
    "def add(first, second):\n    return first + second\n",
    "for name in names:\n    print(name)\n",
    "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = y\n",
]


@pytest.fixture(scope="session")
def small_tokenizer() -> Any:
    from echo_ops.training.base_model import train_tokenizer

    return train_tokenizer(TEXTS * 4, 320)


@pytest.fixture(scope="session")
def small_model(small_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from echo_ops.training.base_model import Recipe, architecture
    from echo_ops.training.fim import Layout

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    architecture(Recipe(width=32, layers=1, head=16, inner=64), Layout(small_tokenizer)).save_pretrained(folder)
    small_tokenizer.save_pretrained(folder)
    return folder

"""An evaluation against vLLM's real server, on a CPU: it loads what a night registers, and both engines agree.

One server. The champion is a registered checkpoint; the challenger is the adapter in that of a LoRA training from it,
loaded while the server runs. ``ECHO_TEST_VLLM=0`` leaves this out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vllm_server import MODEL, VllmServer

from echo_ops.errors import InputError, TeacherError
from echo_ops.pipeline.served import served
from echo_ops.rollout.registry import MlflowRegistry, ModelVersion
from echo_ops.settings import Evaluation, EvaluationServer, Settings, Training
from echo_ops.training.evaluate import evaluate
from echo_ops.training.lessons import COLUMNS
from tests.real_vllm import MARKS

ROOT = Path(__file__).parents[2]

pytestmark = MARKS

TRAINING = Training(
    context_tokens=256, max_new_tokens=12, lora_rank=8, batch_size=4, learning_rate=1e-3, epochs=1, threads=1
)
LESSONS = ["first", "", "print(name)\n", "x", "return first + second", "y" * 600, "self.x = x", "z", "é ☺\n\t", "0" * 9]


@dataclass(frozen=True)
class Night:
    """A served champion, and the checkpoint of a challenger."""

    server: VllmServer
    champion: ModelVersion
    champion_folder: Path
    challenger: ModelVersion
    challenger_folder: Path


def rows() -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "request_id": f"q{number:02}",
                "prefix": "def f():\n    pass\n" * number + f"name_{number} = ",
                "suffix": "\n" * (number % 3),
                "lesson": LESSONS[number % len(LESSONS)],
                "committed": LESSONS[number % len(LESSONS)],
                "weight": 1.0,
                "split": "train",
            }
            for number in range(30)
        ],
        schema=COLUMNS,
    )


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    pytest.importorskip("peft")
    from echo_ops.training.finetune import FinetuneSpec, launch

    folder = tmp_path_factory.mktemp("vllm")
    make = [sys.executable, str(ROOT / "benchmarks" / "vllm_server.py"), str(folder)]
    subprocess.run(make, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True)
    registry = MlflowRegistry(Settings(home=folder / "home"))
    pq.write_table(rows(), folder / "lessons.parquet")
    _scatter(folder / MODEL)
    launch(FinetuneSpec(str(folder / MODEL), str(folder / "lessons.parquet"), str(folder / "challenger"), TRAINING))
    champion = registry.register(folder / MODEL, run_id=None, tags={})
    challenger = registry.register(folder / "challenger", run_id=None, tags={})
    place = registry.download(champion)
    (folder / "served").mkdir()
    (folder / "served" / MODEL).symlink_to(place)
    log = ROOT / ".echo" / "test-vllm-evaluation.log"
    log.unlink(missing_ok=True)
    vllm = VllmServer(folder / "served", log, name=champion.served_name)
    try:
        vllm.start().wait()
        yield Night(vllm, champion, place, challenger, registry.download(challenger))
    finally:
        vllm.kill()


def _scatter(folder: Path) -> None:
    """Weights so large that a model answers each prompt with something else; small ones repeat the last token."""
    import torch
    from transformers import AutoConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = AutoConfig.from_pretrained(folder)
    shape.initializer_range, shape.tie_word_embeddings = 0.2, False
    LlamaForCausalLM(shape).save_pretrained(folder)


def settings(night: Night) -> EvaluationServer:
    """One at a time: with adapters on a CPU, vLLM 0.32 dies of the logprobs of two prompts in one batch."""
    return Evaluation(url=night.server.url, concurrency=1).server


@pytest.mark.parametrize("who", ["champion", "challenger"])
def test_vllm_and_transformers_give_the_same_scores(night: Night, who: str) -> None:
    folder = night.champion_folder if who == "champion" else night.challenger_folder
    version = night.champion if who == "champion" else night.challenger
    proposals: dict[str, str] = {}
    here = evaluate(folder, rows(), TRAINING, proposals=proposals)
    with served(settings(night), night.champion.served_name, version.served_name, folder) as generator:
        there = evaluate(folder, rows(), TRAINING, generator=generator)
    assert there.drop(["nll"]).to_pylist() == here.drop(["nll"]).to_pylist()
    assert here["nll"].null_count == 3  # lessons longer than the context
    assert there["nll"].to_pylist() == [
        pytest.approx(nll, rel=1e-4) if nll else None for nll in here["nll"].to_pylist()
    ]
    assert len(set(proposals.values())) > 5  # not all answers are alike
    with pytest.raises(TeacherError, match="wanted is echo-completion/9"):
        served(settings(night), "echo-completion/9", "echo-completion/9", folder).__enter__()


def test_champion_and_challenger_are_different_models(night: Night) -> None:
    scores = []
    for version, folder in ((night.champion, night.champion_folder), (night.challenger, night.challenger_folder)):
        with served(settings(night), night.champion.served_name, version.served_name, folder) as generator:
            scores.append(evaluate(folder, rows(), TRAINING, generator=generator)["nll"].to_pylist())
    before, after = (sum(nll for nll in nlls if nll is not None) for nlls in scores)
    assert abs(after - before) > 0.01 * before  # it has gone on learning, and rounding is far less


def test_what_the_server_does_not_serve_is_said(night: Night, tmp_path: Path) -> None:
    champion = night.champion.served_name
    with (
        pytest.raises(TeacherError, match=r"serves echo-completion/1; wanted is echo-completion/7: serve it too"),
        served(settings(night), champion, "echo-completion/7", tmp_path),
    ):
        pass
    with served(settings(night), champion, champion, night.champion_folder) as generator:
        long = TRAINING.model_copy(update={"context_tokens": 8192})
        huge = pa.Table.from_pylist([rows().to_pylist()[0] | {"prefix": "x = 1\n" * 4000}], schema=COLUMNS)
        with pytest.raises(InputError, match=r"no usable answer \(RefusedError\).*--max-model-len"):
            evaluate(night.champion_folder, huge, long, generator=generator)

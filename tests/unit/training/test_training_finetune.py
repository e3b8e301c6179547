import hashlib
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import InputError, TrainingError
from echo_ops.settings import Training
from echo_ops.training.finetune import FinetuneResult, FinetuneSpec, command_of, finetune, launch
from echo_ops.training.lessons import COLUMNS
from echo_ops.training.progress import Progress
from echo_ops.training.trainer import lessons_on_device

TRAINING = Training(
    method="full", learning_rate=1e-2, context_tokens=64, batch_size=4, device_batch_size=2, epochs=4, threads=1
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lessons that a model can only tell apart by the context."""
    path = tmp_path_factory.mktemp("examples") / "train.parquet"
    rows = [
        {
            "request_id": f"q{i:02}",
            "prefix": "def add(first, second):\n    return " if i % 2 else "for name in names:\n    print(",
            "suffix": "\n",
            "lesson": "first + second" if i % 2 else "name)",
            "committed": "",
            "weight": 1.0,
            "split": "train",
        }
        for i in range(24)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=COLUMNS), path)
    return path


@pytest.fixture
def spec(small_model: Path, examples: Path, tmp_path: Path) -> FinetuneSpec:
    return FinetuneSpec(str(small_model), str(examples), str(tmp_path / "out"), TRAINING)


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def left_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("method", "loss_falls_to"), [("full", 0.7), ("lora", 0.97)])
def test_it_learns_and_leaves_a_checkpoint_that_loads_as_it_is(
    spec: FinetuneSpec, method: str, loss_falls_to: float
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spec = replace(spec, training=TRAINING.model_copy(update={"method": method}))
    told: list[Progress] = []
    result = finetune(spec, told.append)
    out = Path(spec.out)
    assert (result.rows, result.too_long, result.steps) == (24, 0, 24)
    assert result.packing == "rows"
    assert result.padding_share < 0.03
    assert result.losses[-1][1] < loss_falls_to * result.losses[0][1]
    assert [progress.done for progress in told] == [step for step, _ in result.losses]
    assert told[-1].tokens == result.tokens
    assert FinetuneResult.from_dict(json.loads(json.dumps(asdict(result)))) == result
    assert not (out / "result.json").exists()
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.config.use_cache
    assert AutoTokenizer.from_pretrained(out).get_vocab() == AutoTokenizer.from_pretrained(spec.model).get_vocab()
    assert weights(out) != weights(Path(spec.model))
    assert (out / "adapter").is_dir() == (method == "lora")
    assert left_of(out.parent) == ["out"]


def test_a_merged_adapter_is_the_model_that_was_trained(spec: FinetuneSpec) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    finetune(replace(spec, training=TRAINING.model_copy(update={"method": "lora", "epochs": 1})))
    base = AutoModelForCausalLM.from_pretrained(spec.model)
    ids = torch.tensor([[10, 20, 30, 40]])
    with torch.no_grad():
        before = base(ids).logits
        adapted = PeftModel.from_pretrained(base, f"{spec.out}/adapter")(ids).logits
        merged = AutoModelForCausalLM.from_pretrained(spec.out)(ids).logits
    assert not torch.allclose(before, merged, atol=1e-3)
    assert torch.allclose(adapted, merged, atol=1e-4)


def test_the_same_spec_gives_the_same_weights_and_another_seed_others(spec: FinetuneSpec, tmp_path: Path) -> None:
    runs = {}
    for name, seed in (("first", 0), ("second", 0), ("third", 1)):
        training = TRAINING.model_copy(update={"seed": seed, "max_steps": 5})
        assert finetune(replace(spec, out=str(tmp_path / name), training=training)).steps == 5
        runs[name] = weights(tmp_path / name)
    assert runs["first"] == runs["second"] != runs["third"]


def test_a_loss_that_is_no_number_stops_it_and_leaves_nothing(spec: FinetuneSpec) -> None:
    hot = replace(spec, training=TRAINING.model_copy(update={"learning_rate": 1e30}))
    with pytest.raises(TrainingError, match=r"(loss is nan at step|are no numbers).*ECHO_TRAINING_LEARNING_RATE"):
        finetune(hot)
    assert left_of(Path(spec.out).parent) == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device"), "the disk is full"),
        (
            RuntimeError("[enforce fail] . PytorchStreamWriter failed writing file data/7: file write"),
            "the disk is full",
        ),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"), "memory ran out"),
        (MemoryError(), "memory ran out"),
    ],
)
def test_what_ran_out_is_said_and_nothing_is_left(
    spec: FinetuneSpec, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    import transformers

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", fail)
    with pytest.raises(TrainingError, match=message):
        finetune(replace(spec, training=TRAINING.model_copy(update={"max_steps": 1})))
    assert left_of(Path(spec.out).parent) == []


def test_a_checkpoint_of_before_stays_until_the_new_one_is_whole(spec: FinetuneSpec) -> None:
    out = Path(spec.out)
    out.mkdir()
    (out / "old").touch()
    stale = out.with_name(".out.part")
    stale.mkdir()  # of a run that was killed
    (stale / "half").touch()
    with pytest.raises(TrainingError):
        finetune(replace(spec, training=TRAINING.model_copy(update={"learning_rate": 1e30})))
    assert left_of(out) == ["old"]
    finetune(replace(spec, training=TRAINING.model_copy(update={"max_steps": 1})))
    assert "old" not in left_of(out)
    assert "half" not in left_of(out)
    assert left_of(out.parent) == ["out"]


def test_a_model_that_is_not_there_is_refused(spec: FinetuneSpec, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ECHO_BASE_MODEL"):
        finetune(replace(spec, model=str(tmp_path / "nowhere")))
    assert left_of(tmp_path) == []


def test_several_gpus_are_asked_for_through_accelerate() -> None:
    assert command_of(1) == [sys.executable, "-m", "echo_ops.training.finetune"]
    several = " ".join(command_of(4))
    assert several.startswith(f"{sys.executable} -m accelerate.commands.launch --multi_gpu --num_processes 4 ")
    assert several.endswith(" -m echo_ops.training.finetune")


@pytest.mark.slow
def test_two_processes_learn_what_one_does(spec: FinetuneSpec, tmp_path: Path) -> None:
    """On the CPU, by PyTorch's launcher: Accelerate's, which calls it, takes several processes on GPUs only."""
    short = replace(spec, training=TRAINING.model_copy(update={"max_steps": 3}))
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(replace(short, training=short.training.model_copy(update={"gpus": 2})).to_dict()))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    together = subprocess.run(
        [*command, "-m", "echo_ops.training.finetune", str(path)],
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
        stdout=subprocess.PIPE,
        check=True,
    )
    result = json.loads(together.stdout.splitlines()[-1])["result"]
    assert result["losses"] == [list(one) for one in finetune(replace(short, out=str(tmp_path / "alone"))).losses]
    assert (tmp_path / "out" / "model.safetensors").exists()


def test_processes_that_were_not_started_are_missed(spec: FinetuneSpec) -> None:
    with pytest.raises(InputError, match="1 processes were started for 2 GPUs"):
        finetune(replace(spec, training=TRAINING.model_copy(update={"gpus": 2})))


@pytest.mark.parametrize(("gpus", "batch", "at_most", "on_device"), [(1, 16, 16, 16), (2, 16, 6, 4), (3, 12, 99, 4)])
def test_a_step_is_shared_in_passes_of_equal_size(gpus: int, batch: int, at_most: int, on_device: int) -> None:
    training = Training(gpus=gpus, batch_size=batch, device_batch_size=at_most)
    assert lessons_on_device(training) == on_device


def test_a_step_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"16 lessons cannot be shared between 3 GPUs; .*multiple of ECHO_TRAINING_GPUS"
    ):
        lessons_on_device(Training(gpus=3))


def test_a_process_of_its_own_does_the_same(spec: FinetuneSpec, tmp_path: Path) -> None:
    short = replace(spec, training=TRAINING.model_copy(update={"max_steps": 3}))
    told: list[Progress] = []
    apart = launch(short, told.append)
    assert [progress.done for progress in told] == [1, 2, 3]
    assert all(progress.loss is not None and math.isfinite(progress.loss) for progress in told)
    here = finetune(replace(short, out=str(tmp_path / "here")))
    assert apart.losses == here.losses
    assert weights(Path(apart.model)) == weights(Path(here.model))


def killed_after(spec: FinetuneSpec, step: int, folder: Path) -> None:
    """A fine-tuning in a process of its own that dies without a word, some steps in."""
    path = folder / "spec.json"
    path.write_text(json.dumps(spec.to_dict()))
    command = [sys.executable, "-m", "echo_ops.training.finetune", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if json.loads(line)["progress"]["done"] == step:
                child.kill()
    path.unlink()


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_killed_run_goes_on_from_its_last_checkpoint(spec: FinetuneSpec, method: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    training = TRAINING.model_copy(update={"method": method, "max_steps": 20, "checkpoint_steps": 4})
    spec = replace(spec, training=training)
    whole = finetune(replace(spec, out=str(tmp_path / "whole")))
    killed_after(spec, 10, tmp_path)
    assert left_of(tmp_path) == [".out.part", "whole"]  # nothing that would be taken for a checkpoint
    (tmp_path / ".out.part" / "trainer" / "checkpoint-19").mkdir()  # as if it had died while it wrote one
    told: list[Progress] = []
    resumed = finetune(spec, told.append)
    assert told[0].done in (9, 13, 17)  # as far as it came until the kill arrived
    assert dict(resumed.losses) == pytest.approx(dict(whole.losses), rel=1e-4)
    first, second = (load_file(Path(one.model) / "model.safetensors") for one in (whole, resumed))
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, rtol=1e-3, atol=1e-4)
    assert left_of(tmp_path) == ["out", "whole"]


def test_a_killed_run_of_other_settings_is_not_gone_on_with(spec: FinetuneSpec, tmp_path: Path) -> None:
    first = replace(spec, training=TRAINING.model_copy(update={"checkpoint_steps": 2, "max_steps": 20}))
    killed_after(first, 5, tmp_path)
    told: list[Progress] = []
    finetune(replace(first, training=first.training.model_copy(update={"seed": 1, "max_steps": 3})), told.append)
    assert told[0].done == 1

import random
from pathlib import Path
from typing import Any

import pytest

from echo_ops.training.fim import IGNORED
from echo_ops.training.packing import PADDING, Packing, cells, collate, keeps_apart, pack, passes
from echo_ops.training.trainer import lesson_trainer

CONTEXTS, LESSONS = (31, 8, 52, 19, 40, 5), (3, 6, 1, 4, 2, 7)


def some_lessons() -> list[dict[str, list[int]]]:
    dice = random.Random(0)
    lessons = []
    for context, lesson in zip(CONTEXTS, LESSONS, strict=True):
        ids = [dice.randrange(300) for _ in range(context + lesson)]
        lessons.append({"input_ids": ids, "labels": [IGNORED] * context + ids[context:]})
    return lessons


def tiny(kind: str) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 320}
    more = {} if kind == "bloom" else {"num_key_value_heads": 1, "intermediate_size": 48, "head_dim": 16}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes, **more, initializer_range=0.2))
    return model.float()


def with_adapter(model: Any) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)  # zero at the start: no gradient would reach lora_A
    return adapted


def gradients(model: Any) -> dict[str, Any]:
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("packing", ["rows", "flat", "none"])
def test_loss_and_gradients_are_those_of_each_lesson_alone(
    packing: Packing, lora: bool, small_tokenizer: Any, tmp_path: Path
) -> None:
    import torch
    from datasets import Dataset
    from trl import SFTConfig

    lessons = some_lessons()
    model = with_adapter(tiny("llama")) if lora else tiny("llama")
    for lesson in lessons:
        ids, labels = (torch.tensor([lesson[name]]) for name in ("input_ids", "labels"))
        (model(input_ids=ids, labels=labels).loss * sum(label != IGNORED for label in lesson["labels"])).backward()
    expected = {name: gradient / sum(LESSONS) for name, gradient in gradients(model).items()}
    model.zero_grad()
    given = SFTConfig(
        output_dir=str(tmp_path),
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        use_cpu=True,
        bf16=False,
        report_to="none",
    )
    trainer = lesson_trainer()(
        model=model,
        args=given,
        train_dataset=Dataset.from_list(lessons),
        processing_class=small_tokenizer,
    )
    # in two passes, as when memory is short: together they are one step
    for some in (lessons[:4], lessons[4:]):
        batch = collate(some, 0, packing)
        trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(sum(LESSONS))).backward()
    found = gradients(trainer.model)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "starcoder2", "mistral"])
def test_the_families_keep_lessons_of_a_row_apart(kind: str) -> None:
    assert keeps_apart(tiny(kind))


def test_a_model_that_does_not_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not keeps_apart(tiny("bloom"))  # its positions cannot be given
    llama = tiny("llama")
    monkeypatch.setattr(type(llama), "forward", _without_blocks(type(llama).forward))
    assert not keeps_apart(llama)


def _without_blocks(forward: Any) -> Any:
    def see_all(self: Any, input_ids: Any, position_ids: Any = None, **given: Any) -> Any:
        import torch

        return forward(self, input_ids, position_ids=position_ids, attention_mask=torch.ones_like(input_ids), **given)

    return see_all


def test_rows_hold_each_lesson_once_with_little_padding() -> None:
    dice = random.Random(0)
    for _ in range(200):
        lengths = [dice.randint(1, dice.choice((30, 2000))) for _ in range(dice.randint(1, 32))]
        rows = pack(lengths)
        assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
        assert 1 - sum(lengths) / cells(lengths, rows) <= PADDING
    assert pack([7, 7, 7, 7]) == [[0], [1], [2], [3]]  # nothing is to be gained
    assert pack([7, 1, 2], "none") == [[0], [1], [2]]
    assert pack([7, 1, 2], "flat") == [[0, 1, 2]]


def test_a_pass_never_reaches_over_a_step() -> None:
    assert [list(one) for one in passes([1, 2, 3, 4, 5, 6, 7], 4, 3)] == [[1, 2, 3], [4], [5, 6, 7]]

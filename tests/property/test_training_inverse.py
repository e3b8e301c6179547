"""Rendering and splitting are inverse for any text, and no token of the context carries loss."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echo_ops.training.fim import IGNORED, SMALL, Layout

PLENTY = 100_000
TEXTS = st.lists(
    st.one_of(st.text(max_size=40), st.sampled_from([*SMALL.special, "\r\n", "\t", "    ", "def f():\n", "é😀"])),
    max_size=4,
).map("".join)


@cache
def layout(order: str) -> Layout:
    from echo_ops.training.base_model import train_tokenizer

    return Layout(train_tokenizer(["def f(x):\n    return x\n"] * 3, 300), order)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ["psm", "spm"])
@given(prefix=TEXTS, suffix=TEXTS, lesson=TEXTS)
@settings(deadline=None, max_examples=150)
def test_split_is_the_inverse_of_render(order: str, prefix: str, suffix: str, lesson: str) -> None:
    assert layout(order).split(layout(order).render(prefix, suffix, lesson, PLENTY, 1)) == (prefix, suffix, lesson)


@given(prefix=TEXTS, suffix=TEXTS, lesson=TEXTS, extra=st.integers(0, 60), reserved=st.integers(1, 9))
@settings(deadline=None, max_examples=150)
def test_only_the_lesson_carries_loss_within_any_budget(
    prefix: str, suffix: str, lesson: str, extra: int, reserved: int
) -> None:
    one = layout("spm")
    target = [*one.encode(lesson), one.end_id]
    budget = one.overhead - 1 + len(target) + extra
    example = one.render(prefix, suffix, lesson, budget, min(reserved, len(target) + extra))
    assert len(example.input_ids) <= budget
    assert example.labels == [IGNORED] * (len(example.input_ids) - len(target)) + target
    assert example.input_ids[-len(target) :] == target

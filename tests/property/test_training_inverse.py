"""Rendering and splitting are inverse for any text, and no token of the context carries loss."""

from functools import cache

import pytest
from family_tokenizers import WITH_SPACE, tokenizer_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from echo_ops.training.fim import FAMILIES, IGNORED, SMALL, Layout, Order

PLENTY = 100_000
TEXTS = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            [*(token for family in FAMILIES for token in family.special), "\r\n", "\t", "    ", "def f():\n", "é😀"]
        ),
    ),
    max_size=4,
).map("".join)


@cache
def layout(name: str, order: Order) -> Layout:
    return Layout(tokenizer_of(next(family for family in FAMILIES if family.name == name)), order)


@pytest.mark.parametrize(("name", "order"), [(family.name, order) for family in FAMILIES for order in family.templates])
@given(prefix=TEXTS, suffix=TEXTS, lesson=TEXTS)
@settings(deadline=None, max_examples=80)
def test_split_is_the_inverse_of_render(name: str, order: Order, prefix: str, suffix: str, lesson: str) -> None:
    if name in WITH_SPACE:
        assume("▁" not in prefix + suffix + lesson)  # to these tokenizers it is a space
    one = layout(name, order)
    example = one.render(prefix, suffix, lesson, PLENTY, 1)
    assert one.split(example) == (prefix, suffix, lesson)
    target = [*one.encode(lesson), one.end_id]
    assert example.labels == [IGNORED] * (len(example.labels) - len(target)) + target


@given(prefix=TEXTS, suffix=TEXTS, lesson=TEXTS, extra=st.integers(0, 60), reserved=st.integers(1, 9))
@settings(deadline=None, max_examples=150)
def test_only_the_lesson_carries_loss_within_any_budget(
    prefix: str, suffix: str, lesson: str, extra: int, reserved: int
) -> None:
    one = layout(SMALL.name, "spm")
    target = [*one.encode(lesson), one.end_id]
    budget = one.overhead - 1 + len(target) + extra
    example = one.render(prefix, suffix, lesson, budget, min(reserved, len(target) + extra))
    assert len(example.input_ids) <= budget
    assert example.labels == [IGNORED] * (len(example.input_ids) - len(target)) + target
    assert example.input_ids[-len(target) :] == target

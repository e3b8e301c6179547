from typing import Any

import pytest
from family_tokenizers import tokenizer_of

from echo_ops.errors import InputError
from echo_ops.training.fim import FAMILIES, IGNORED, PREFIX, SMALL, SUFFIX, Family, Layout, LessonTooLong


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_layout_is_found_from_the_special_tokens(family: Family) -> None:
    tokenizer = tokenizer_of(family)
    for order, template in family.templates.items():
        layout = Layout(tokenizer, order)
        assert layout.family.name == family.name
        example = layout.render("x = 1\n", "print(x, y)\n", "y = 2\n", 200, 50)
        tokens = tokenizer.convert_ids_to_tokens(example.input_ids)
        marks = [token for token in tokens if token in family.special]
        assert marks == [part for part in template if part not in (PREFIX, SUFFIX)] + [family.end]
        assert layout.split(example) == ("x = 1\n", "print(x, y)\n", "y = 2\n")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_tokenizer_that_lacks_a_token_is_refused_saying_which(family: Family) -> None:
    lacking = next(token for token in family.special if token != family.end)
    with pytest.raises(InputError, match="no fill-in-the-middle tokens") as error:
        Layout(tokenizer_of(family, leave_out=lacking))
    assert f"{family.name}, where {lacking} is missing" in str(error.value)


def test_an_order_that_the_family_does_not_know_is_refused() -> None:
    deepseek = next(family for family in FAMILIES if family.name == "deepseek-coder")
    with pytest.raises(InputError, match="deepseek-coder was not trained with the FIM order spm; it knows psm"):
        Layout(tokenizer_of(deepseek), "spm")


def test_a_tokenizer_that_begins_texts_with_a_token_keeps_it() -> None:
    codellama = next(family for family in FAMILIES if family.name == "codellama")
    tokenizer = tokenizer_of(codellama)
    example = Layout(tokenizer).render("x", "y", "z", 100, 20)
    assert tokenizer.convert_ids_to_tokens(example.input_ids)[:2] == ["<s>", "▁<PRE>"]


def test_no_space_is_put_before_the_lesson() -> None:
    codestral = next(family for family in FAMILIES if family.name == "codestral")
    layout = Layout(tokenizer_of(codestral))
    for lesson in ("print", " print", "  x"):
        assert layout.decode(layout.render("a", "b", lesson, 100, 20).lesson) == lesson


def test_loss_is_on_the_lesson_and_its_end_only(small_tokenizer: Any) -> None:
    layout = Layout(small_tokenizer)
    example = layout.render("def f(", "):\n", "first", 100, 20)
    lesson = layout.encode("first")
    assert example.labels == [IGNORED] * (len(example.input_ids) - len(lesson) - 1) + [*lesson, layout.end_id]
    assert example.input_ids[-len(lesson) - 1 :] == [*lesson, layout.end_id]


def test_silence_is_the_end_token_alone(small_tokenizer: Any) -> None:
    layout = Layout(small_tokenizer)
    assert layout.render("x = 1", "\n", "", 100, 20).lesson == [layout.end_id]


@pytest.mark.parametrize("budget", [12, 20, 40])
def test_the_context_is_cut_to_what_is_nearest_to_the_caret(small_tokenizer: Any, budget: int) -> None:
    layout = Layout(small_tokenizer)
    prefix, suffix, lesson = "".join(f"a{i}\n" for i in range(99)), "".join(f"b{i}\n" for i in range(99)), "first"
    example = layout.render(prefix, suffix, lesson, budget, len(layout.encode(lesson)) + 1)
    assert len(example.input_ids) == budget
    kept_prefix, kept_suffix, kept_lesson = layout.split(example)
    assert prefix.endswith(kept_prefix)
    assert suffix.startswith(kept_suffix)
    assert kept_lesson == lesson
    assert len(kept_prefix) > len(kept_suffix)


def test_the_context_does_not_tell_how_long_the_lesson_is(small_tokenizer: Any) -> None:
    """Else a model learns to end at one position: it did, with 0 of 250 proposals ever ending by themselves."""
    layout = Layout(small_tokenizer)
    prefix, suffix = "x = 1\n" * 99, "y = 2\n" * 99
    contexts = [layout.render(prefix, suffix, "a" * length, 64, 16).context for length in (0, 1, 5, 15)]
    assert contexts == [layout.prompt(prefix, suffix, 64, 16)] * 4
    assert len(layout.render(prefix, suffix, "a" * 30, 64, 16).input_ids) == 64


def test_a_side_that_is_short_leaves_its_room_to_the_other(small_tokenizer: Any) -> None:
    layout = Layout(small_tokenizer)
    long = "".join(f"a{i}\n" for i in range(99))
    for prefix, suffix in ((long, ""), ("", long)):
        assert len(layout.render(prefix, suffix, "x", 40, 2).input_ids) == 40


def test_a_lesson_is_never_cut(small_tokenizer: Any) -> None:
    layout = Layout(small_tokenizer)
    fits = layout.render("x" * 50, "y" * 50, "ab", layout.overhead + len(layout.encode("ab")), 1)
    assert layout.split(fits) == ("", "", "ab")
    with pytest.raises(LessonTooLong, match="does not fit 5 tokens"):
        layout.render("x", "y", "ab" * 20, 5, 1)


def test_a_special_token_in_a_users_text_stays_text(small_tokenizer: Any) -> None:
    layout = Layout(small_tokenizer)
    text = f'END = "{SMALL.end}{SMALL.end}" + "<|echo_middle|>"\n'
    example = layout.render(text, text, text, 500, 100)
    assert example.input_ids.count(layout.end_id) == 1
    assert layout.split(example) == (text, text, text)


def test_a_prompt_leaves_room_for_what_is_generated(small_tokenizer: Any) -> None:
    layout = Layout(small_tokenizer)
    assert len(layout.prompt("x = 1\n" * 50, "y\n" * 50, 64, 24)) == 64 - 24
    with pytest.raises(InputError, match="24 new tokens do not fit a context of 20"):
        layout.prompt("x", "y", 20, 24)

"""Texts in which a client's offsets are plain indices."""

import pytest

from echo_ops.lifecycle.units import from_units, to_units

TEXTS = ["", "plain", "naïve", "a😀b", "😀", "中文\r\n"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("unit", "codec", "width"), [("utf-16", "utf-16-le", 2), ("utf-8", "utf-8", 1)])
def test_there_and_back(text: str, unit: str, codec: str, width: int) -> None:
    assert len(to_units(text, unit)) == len(text.encode(codec)) // width
    assert from_units(to_units(text, unit), unit) == text


def test_half_a_character_becomes_a_sign_of_it() -> None:
    assert from_units(to_units("😀", "utf-16")[:1], "utf-16") == "\N{REPLACEMENT CHARACTER}"
    assert from_units(to_units("é", "utf-8")[:1], "utf-8") == "\N{REPLACEMENT CHARACTER}"
    assert from_units("\ud83d", "code-point") == "\N{REPLACEMENT CHARACTER}"

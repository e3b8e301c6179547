"""Offset units: a text in which a client's offsets are plain indices (docs/decisions/0001-offset-units.md).

Converting an offset would need all text before it, which no client sends. Converting the text needs only the text:
in UTF-16 units a character outside the BMP becomes its two surrogates, in UTF-8 units every byte becomes one
character. Then every offset is a plain index, and what comes out is converted back.
"""

from __future__ import annotations

import re
from typing import Final

CODE_POINT: Final = "code-point"

_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")


def to_units(text: str, unit: str) -> str:
    """``text`` with one character per unit."""
    if unit == CODE_POINT or text.isascii():
        return text
    if unit == "utf-16":
        return _ASTRAL.sub(_surrogates, text)
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def from_units(text: str | None, unit: str) -> str | None:
    """The text again; half a character, and a lone surrogate that a client sent, become U+FFFD."""
    if text is None or text.isascii():
        return text
    if unit == "utf-8":
        return text.encode("latin-1", "replace").decode("utf-8", "replace")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _surrogates(match: re.Match[str]) -> str:
    point = ord(match.group()) - 0x10000
    return chr(0xD800 + (point >> 10)) + chr(0xDC00 + (point & 0x3FF))

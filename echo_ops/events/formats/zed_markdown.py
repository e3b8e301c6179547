"""Zed's examples in Markdown (``ExampleSpec::from_markdown``)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from echo_ops.errors import InputError

_SECTION = re.compile(r"^## +(.+?) *$")
_FENCE = re.compile(r"^(`{3,}|~{3,})(.*)$")


def markdown(text: str, where: str) -> dict[str, object]:
    """An example in Markdown: front matter between ``+++``, then a section for each field, each a fenced block."""
    text = text.replace("\r\n", "\n")
    spec: dict[str, object] = {"expected_patches": [], "edit_history": ""}
    if text.startswith("+++\n") and "\n+++\n" in text:
        front, text = text[4:].split("+++\n", 1)
        try:
            spec |= tomllib.loads(front)
        except tomllib.TOMLDecodeError:
            raise InputError(
                f"{where}: the front matter between +++ is no TOML; wanted is repository_url, revision"
            ) from None
    for section, info, block in _blocks(text):
        if section == "cursor position":
            spec |= {"cursor_path": info, "cursor_position": block}
        elif section == "expected patch":
            spec["expected_patches"] = [*_list(spec["expected_patches"]), block]
        elif section == "rejected patch":
            spec["rejected_patch"] = block
        elif section == "edit history":
            spec["edit_history"] = f"{spec['edit_history']}{block}"
    if "cursor_path" not in spec:
        raise InputError(f"{where}: no fenced block below the heading Cursor Position; this is no example of Zed's")
    return spec


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Each fenced block, with the name of its section and what stands behind its opening fence."""
    section, fence, info, lines = "", "", "", list[str]()
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\n")
        if fence:
            if bare.strip() and set(bare.strip()) == {fence[0]} and len(bare.strip()) >= len(fence):
                yield section, info, "".join(lines)
                fence = ""
            else:
                lines.append(line)
        elif heading := _SECTION.match(bare):
            section = heading[1].lower()
        elif opening := _FENCE.match(bare):
            fence, info, lines = opening[1], opening[2].strip(), []

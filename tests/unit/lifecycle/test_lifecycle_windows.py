"""Windows compared all at once as bytes, beside the same comparison of two strings."""

from __future__ import annotations

from random import Random
from typing import Any

import pyarrow as pa
import pytest

from echo_ops.lifecycle.columns import columns, portions
from echo_ops.lifecycle.states import Snapshot
from echo_ops.lifecycle.typing_run import keystroke
from echo_ops.lifecycle.windows import TableWindows
from echo_ops.schema.events import EVENTS

Shown = tuple[str, int, int, int]
"""A document, the caret, and how much of it is seen to either side."""


def table(shown: list[Shown], order: list[int] | None = None) -> pa.Table:
    rows: list[dict[str, Any]] = [
        {
            **dict.fromkeys(EVENTS.names),
            "event_id": str(seq), "kind": "changed", "occurred_at": seq, "received_at": seq, "user_id": "u",
            "session_id": "s", "document_id": "d", "seq": seq, "caret": caret, "document_length": len(text),
            "prefix": text[max(caret - before, 0) : caret], "suffix": text[caret : caret + behind],
            "offset_unit": "code-point",
        }
        for seq, (text, caret, before, behind) in enumerate(shown)
    ]  # fmt: skip
    return pa.Table.from_pylist([rows[place] for place in order or range(len(rows))], schema=EVENTS)


def found(events: pa.Table) -> list[Any]:
    """What is found of each window but the first, in order."""
    (portion,) = portions(events)
    some = events.take(portion.rows)
    windows = TableWindows(events).compared(some, portion)
    lists = columns(some, windows)
    return [
        windows.strokes[row] if windows.before[row] == before else None
        for before, row in zip(lists.seq, lists.seq[1:], strict=False)
    ]


def wanted(shown: list[Shown]) -> list[Any]:
    seen = [
        Snapshot(text[max(caret - before, 0) : caret], text[caret : caret + behind], caret, len(text))
        for text, caret, before, behind in shown
    ]
    nothing = [((now.caret, now.caret, ""), now.caret, now.caret) for now in seen]
    return [
        nothing[place + 1] if seen[place].same(seen[place + 1]) else keystroke(seen[place], seen[place + 1])
        for place in range(len(seen) - 1)
    ]


def typed(chance: Random, alphabet: str, length: int) -> list[Shown]:
    """Somebody types, deletes, breaks lines and rests; windows are wide and narrow, whole and cut."""
    text = "".join(chance.choices(alphabet, k=length))
    caret = chance.randint(0, length)
    before, behind = chance.choice([(2048, 1024), (150, 120), (100, 100), (20, 20)])
    shown = [(text, caret, before, behind)]
    for _ in range(60):
        size = chance.choice((0, 1, 1, 1, 2, 5, -1, -1, -3))
        if size > 0:
            new = "".join(chance.choices(alphabet, k=size))
            text, caret = text[:caret] + new + text[caret:], caret + size
        elif size < 0 and caret >= -size:
            text, caret = text[: caret + size] + text[caret:], caret + size
        shown.append((text, caret, before, behind))
    return shown


@pytest.mark.parametrize("seed", range(12))
def test_bytes_tell_what_strings_tell(seed: int) -> None:
    chance = Random(seed)
    alphabet = chance.choice(["ab", "abc \n", "abcdefgh()\n  ", "  \n"])
    shown = typed(chance, alphabet, chance.choice((0, 3, 150, 400, 3000)))
    order = list(range(len(shown)))
    chance.shuffle(order)
    expected, told = wanted(shown), found(table(shown, order))
    assert [one or two for one, two in zip(told, expected, strict=True)] == expected  # what is told is right
    left = sum(one is None and two is not None for one, two in zip(told, expected, strict=True))
    assert alphabet == "  \n" or left == 0  # only long slides are left to the reader


def test_texts_that_are_not_ascii_are_left_to_the_reader() -> None:
    text = "é" * 300
    assert found(table([(text, 150, 200, 200), (text[:150] + "a" + text[150:], 151, 200, 200)])) == [None]


def test_a_request_at_the_start_of_the_table_about_what_the_end_shows() -> None:
    shown = [("x" * 300, 150, 200, 200), ("x" * 300, 150, 200, 200)]
    assert found(table(shown, [1, 0])) == [((150, 150, ""), 150, 150)]


def test_nothing_is_shown_at_all() -> None:
    assert found(table([("", 0, 10, 10), ("", 0, 10, 10)])) == [((0, 0, ""), 0, 0)]

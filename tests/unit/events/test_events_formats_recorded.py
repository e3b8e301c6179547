"""A recorded document against a plain list of UTF-16 units."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from echo_ops.events.formats.recorded import Asked, Document

# the second and third together hold the bytes of a line feed between them; the last is two units
TEXT = st.text(alphabet=["a", "\u0a41", "\u0100", "\n", "🚪"], max_size=30)


def units(text: str) -> list[bytes]:
    raw = text.encode("utf-16-le")
    return [raw[at : at + 2] for at in range(0, len(raw), 2)]


@given(text=TEXT, data=st.data())
def test_simultaneous_edits_are_applied_in_offsets_before_the_event(text: str, data: st.DataObject) -> None:
    size = len(units(text))
    places = sorted(data.draw(st.lists(st.integers(0, size), min_size=2, max_size=6).filter(lambda x: len(x) % 2 == 0)))
    edits = [(places[at], places[at + 1], data.draw(TEXT)) for at in range(0, len(places), 2)]
    expected = units(text)
    for start, end, new in reversed(edits):
        expected[start:end] = units(new)
    document = Document("f", {})
    document.opens(text, 1)
    assert document.change(edits[::-1] if len({edit[0] for edit in edits}) == len(edits) else edits, 2)
    assert bytes(document.text or b"") == b"".join(expected)
    assert document.length == len(expected)


@given(text=TEXT, near=st.integers(0, 60), line=st.integers(0, 8), column=st.integers(0, 8))
def test_lines_and_columns_count_from_one_in_units(text: str, near: int, line: int, column: int) -> None:
    rows = text.split("\n")
    asked = Asked("r", text.encode("utf-16-le"), min(near, len(units(text))))
    start = len(units("\n".join(rows[: line - 1]))) + (line > 1) + column - 1
    inside = 1 <= line <= len(rows) and column >= 1 and start <= len(units(text))
    assert asked.offsets(f"[{line},{column} -> {line},{column}]") == ((start, start) if inside else None)


def test_ranges_that_are_none_have_no_offsets() -> None:
    asked = Asked("r", "ab\ncd".encode("utf-16-le"), 0)
    assert asked.offsets("[1,2 -> 2,2]") == (1, 4)
    assert [asked.offsets(text) for text in ("", "1,2", "[2,2 -> 1,1]", "[3,1 -> 3,1]")] == [None] * 4

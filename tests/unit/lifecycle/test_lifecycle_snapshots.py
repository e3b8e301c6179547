"""The edit between two states of a document."""

import pytest

from echo_ops.lifecycle.edits import Edit
from echo_ops.lifecycle.known import KnownText
from echo_ops.lifecycle.placing import align
from echo_ops.lifecycle.snapshots import Derived
from echo_ops.lifecycle.snapshots import derive as derived
from echo_ops.lifecycle.states import Snapshot, States
from echo_ops.lifecycle.typing_run import NO_KEYSTROKE, keystroke

HEAD, TAIL = "h" * 150 + "\n", "\n" + "t" * 150
B = len(HEAD)


def whole(text: str, caret: int) -> Snapshot:
    return Snapshot(text[:caret], text[caret:], caret, len(text))


def derive(known: tuple[int, str], length: int, caret: int | None, now: Snapshot) -> Derived:
    return derived(States(*known, length, caret, now.start, now.text, now.length, now.caret))


@pytest.mark.parametrize(
    ("old", "caret", "new", "new_caret", "edits"),
    [
        ("ab", 1, "axb", 2, [(1, 1, "x")]),
        ("axb", 2, "ab", 1, [(1, 2, "")]),
        ("ab", 1, "ab", 2, []),
        ("all", 2, "alll", 3, [(2, 2, "l")]),  # the caret says which l is new
        ("all", 3, "alll", 4, [(3, 3, "l")]),
        ("a\n    \nb", 6, "a\n\n    \nb", 7, [(2, 6, ""), (6, 6, "\n    ")]),  # Enter on a trimmed line
        ("a\n\n    b", 7, "a\n    \nb", 6, [(2, 2, "    "), (3, 7, "")]),  # and back
        ("foo(1)\nfoo(2)", 0, "bar(1)\nbar(2)", 3, [(0, 3, "bar"), (7, 10, "bar")]),  # two carets
    ],
)
def test_what_happened_between(old: str, caret: int, new: str, new_caret: int, edits: list[Edit]) -> None:
    found = derive((0, HEAD + old + TAIL), len(HEAD + old + TAIL), B + caret, whole(HEAD + new + TAIL, B + new_caret))
    assert list(found.edits) == [(B + start, B + end, text) for start, end, text in edits]


def test_a_line_copied_down_has_two_readings() -> None:
    found = derive((0, "one\ntwo\n"), 8, 1, whole("one\none\ntwo\n", 1))
    assert found.slide == (0, 4)
    assert not found.settled


def test_windows_that_do_not_meet_leave_the_caret() -> None:
    found = derive((0, "a" * 50), 1000, 40, Snapshot("b" * 20, "b" * 40, 910, 1003))
    assert found.edits == ((907, 907, "bbb"),)
    assert not found.sure


def test_a_window_without_offsets_is_placed_by_its_ends() -> None:
    old = "".join(chr(97 + i * i % 23) + str(i) for i in range(300))
    new = old[100:400] + "NEW" + old[400:700]
    placed = align(0, old, len(old), 390, new[:303], new[303:])
    assert placed is not None
    found, both_ends = placed
    assert both_ends
    assert (found.start, found.caret, found.length) == (100, 403, len(old) + 3)
    assert align(0, old, len(old), 0, "#" * 200, "#" * 200) is None


def test_known_text_is_moved_by_edits() -> None:
    known = KnownText()
    known.lay(Snapshot("ab", "c", 12, 30))
    known.lay(Snapshot("", "xyz", 20, 30))
    known.apply(0, 2, "")
    assert known.around(9) == (8, "abc")
    known.apply(10, 19, "-")  # from the one fragment into the other
    assert known.around(10) == (8, "ab-yz"[:2] + "-" + "yz")
    known.hide(9, 5)
    assert (known.around(8), known.around(14)) == ((8, "a"), (14, "b-yz"))
    known.keep(8, 16)
    assert known.around(14) == (14, "b-")


@pytest.mark.parametrize("caret", [500, 160, -40])  # offsets of our own, where a client sends none, may be negative
def test_a_keystroke_is_one_wherever_offsets_begin(caret: int) -> None:
    before, after = Snapshot(HEAD, TAIL, caret, 1000), Snapshot(HEAD + "x", TAIL, caret + 1, 1001)
    assert keystroke(before, after) == ((caret, caret, "x"), caret, caret)
    assert keystroke(after, before) == ((caret, caret + 1, ""), caret, caret)
    assert keystroke(before, before) == NO_KEYSTROKE

"""Patches as edits: applied, they give the text that the patch was made of."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echo_ops.events.formats import udiff

LINES = st.lists(
    st.sampled_from(
        ["a\n", "b\n", "é\n", "ü\n", "\n", "    x\n", "🚪 y\n", "-- z\n", "++ z\n", "@@ -1 +1 @@\n", "f\x0cf\n"]
    ),
    max_size=12,
)


def patch(old: list[str], new: list[str], context: int = 3) -> str:
    return "".join(difflib.unified_diff(old, new, "a/f.py", "b/f.py", n=context))


@given(old=LINES, new=LINES, context=st.integers(1, 3))
def test_a_patch_gives_the_text_that_it_was_made_of(old: list[str], new: list[str], context: int) -> None:
    text = "".join(old).encode()
    changes, others = udiff.edits(patch(old, new, context), "f.py", text)
    assert udiff.apply(text, changes) == "".join(new).encode()
    assert others == 0
    if changes:
        start, end, replacement = udiff.one(text, changes)
        assert text[:start] + replacement + text[end:] == "".join(new).encode()


def test_edits_are_reduced_to_whole_characters() -> None:
    changes, _ = udiff.edits("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-é\n+è\n", "f", "é\n".encode())
    assert changes == [(0, 2, "è".encode())]


def test_edits_are_in_bytes() -> None:
    assert udiff.edits("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-éa\n+éb\n", "f", "éa\n".encode())[0] == [(2, 3, b"b")]


def test_lines_that_look_like_headers_are_content_while_the_hunk_goes_on() -> None:
    old, new = ["-- a/g\n", "x\n"], ["++ b/g\n", "x\n"]
    assert udiff.edits(patch(old, new), "f.py", b"-- a/g\nx\n") == ([(0, 4, b"++ b")], 0)


def test_a_hunk_is_placed_where_its_line_number_is_nearest() -> None:
    text = b"x\ny\nx\ny\n"
    hunk = "--- a/f\n+++ b/f\n@@ -{} +{} @@\n x\n+new\n"
    assert udiff.edits(hunk.format("1,1", "1,2"), "f", text)[0] == [(2, 2, b"new\n")]
    assert udiff.edits(hunk.format("3,1", "3,2"), "f", text)[0] == [(6, 6, b"new\n")]
    assert udiff.edits(hunk.format("103,1", "103,2"), "f", text, 100)[0] == [(6, 6, b"new\n")]


def test_other_files_are_counted_and_lines_that_are_no_diff_left_out() -> None:
    both = "--- a/g\n+++ b/g\n@@ -1 +1 @@\n-q\n+r\n--- a/w/f\n+++ b/w/f\n@@ -1 +1 @@\n-x\n+xy\n# ^[CURSOR_POSITION]\n"
    assert udiff.edits(both, "f", b"x\n") == ([(1, 1, b"y")], 1)


def test_the_last_line_may_lack_its_break() -> None:
    assert udiff.edits("--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+bc\n", "f", b"a\nb")[0] == [(3, 3, b"c\n")]
    told = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-b\n\\ No newline at end of file\n+bc\n\\ No newline at end of file\n"
    assert udiff.edits(told, "f", b"b")[0] == [(1, 1, b"c")]


@pytest.mark.parametrize("text", [b"", b"other\n"])
def test_text_that_is_not_there_does_not_apply(text: bytes) -> None:
    with pytest.raises(udiff.DoesNotApplyError):
        udiff.edits("--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-x\n+y\n", "f", text)

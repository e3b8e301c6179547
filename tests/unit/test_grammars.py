"""tree-sitter on windows of code."""

import pytest

from echo_ops.grammars import GRAMMARS, errors, head, parse, parser, tail, without_middle


@pytest.mark.parametrize("language", GRAMMARS)
def test_every_grammar_loads_and_tells_errors(language: str) -> None:
    grammar = parser(language)
    assert grammar is not None
    assert errors(grammar.parse(b"").root_node) == 0
    assert errors(grammar.parse(b"((((\n").root_node) > 0


def test_a_language_without_a_grammar_is_not_parsed() -> None:
    assert parser("klingon") is None
    assert parse(None, "a", "b", "c") is None


@pytest.mark.parametrize(
    ("language", "before", "middle", "after", "framed"),
    [
        ("python", "x = 1\n", "y = 2\n", "", False),
        ("python", "of the rest, say.\n    '''\n    x = ", "1", "\n", False),  # one error is no evidence
        ("python", 'of the rest (or\nnot; see) it: a, b\n"""\nx = ', "1", "\n", True),
        ("python", "x = ", "1", '\n\n\ndef f():\n    """Of the rest (or\n not; see) it: a, b\n', True),
        ("python", "x = 1\n", "f(1\ny = ((\n", "", False),  # no docstring, so no frame that hides the errors
        ("java", " * of the rest (or\n * not; see) it: a, b\n */\nint f() ", "{ return 1; }", "\n", True),
        ("go", "package a\n", "var x = 1", "\n/* of the (rest\n or { not\n", True),
    ],
)
def test_windows_into_docstrings_and_comments_are_framed(
    language: str, before: str, middle: str, after: str, framed: bool
) -> None:
    window = parse(language, before, middle, after)
    assert window is not None
    assert (window.text != (before + middle + after).encode()) == framed
    assert window.text[window.start : window.end] == middle.encode()
    if framed:
        assert errors(window.root) == 0


def test_the_middle_is_taken_out() -> None:
    window = parse("python", "é = ", "f(ü", ")\n")
    assert window is not None
    assert without_middle("python", window).text == "é = )\n".encode()


@pytest.mark.parametrize("language", GRAMMARS)
def test_deep_nesting_is_survived(language: str) -> None:
    for text in ("(" * 5000, "[" * 5000 + "]" * 5000, "{" * 5000, "if x {" * 1000):
        window = parse(language, "", text, "")
        assert window is not None
        errors(window.root)


@pytest.mark.parametrize(
    ("characters", "last", "first"), [(99, "ab\ncd\nef", "ab\ncd\nef"), (4, "ef", "ab\n"), (2, "ef", "ab")]
)
def test_crops_begin_and_end_with_lines(characters: int, last: str, first: str) -> None:
    assert tail("ab\ncd\nef", characters) == last
    assert head("ab\ncd\nef", characters) == first

"""Where a commit may be cut, by language; the caret is | and the commit ends at ‖."""

import pytest

from echo_ops.teacher.cutpoints import COMMIT, MAX_CUTS, cut_points
from echo_ops.teacher.syntax import first_unit


def texts(language: str | None, source: str) -> tuple[list[tuple[str, str]], str]:
    """Each cut as (text up to it, kind), and the text of the first complete unit."""
    prefix, rest = source.split("|", 1)
    committed, suffix = rest.split("‖", 1)
    cuts = cut_points(language, prefix, committed, suffix)
    unit = committed[: first_unit(cuts).offset] if cuts else ""
    return [(committed[: cut.offset], cut.kind) for cut in cuts], unit


FIRST_UNITS = [
    # the statement in which the request opened
    ("python", "def f():\n    x = |1\n    y = 2\n    return x\n‖", "1"),
    ("python", "x = foo(|a, b)\nbar(c)‖\n", "a, b)"),
    (
        "python",
        "class A:\n    def f(self):\n        retu|rn self.x + 1\n\n    def g(self):\n        pass‖",
        "rn self.x + 1",
    ),
    ("python", "s = 'hel|lo world'\nprint(s)\n‖", "lo world'"),
    # a compound statement is complete with its body, not before
    (
        "python",
        "def f(b):\n    |for a in b:\n        g(a)\n        h(a)\n    return 1‖\n",
        "for a in b:\n        g(a)\n        h(a)",
    ),
    ("python", "@cache\n|def f():\n    return 1\n\n\nx = 2‖\n", "def f():\n    return 1"),
    # but a request that opened inside its header asked for the header
    ("python", "def f(b):\n    for a |in b:\n        g(a)\n        h(a)\n    return 1‖\n", "in b:"),
    ("python", "if a |or b:  # why\n    f()\n‖", "or b:"),
    ("python", "if a:\n    f()\nelif |b:\n    g()\n‖h()\n", "b:"),
    ("javascript", "if (a ||| b) {\n  f();\n}\ng();\n‖", "|| b) {\n  f();\n}"),
    # a comment belongs to the statement that follows it
    ("python", "|# the sum\nx = 1\ny = 2\n‖", "# the sum\nx = 1"),
    # nothing ends in the commit: its first line
    ("python", "x = foo(|a,\n    b‖)\n", "a,"),
    ("python", "x = foo(|a, b‖)\n", "a, b"),
    ("python", "x = 1\n|# only a remark\n# and another\n‖", "# only a remark"),
    ("javascript", "app.get('/', |(q, r) => {\n  r.send(1);\n});\nf();\n‖", "(q, r) => {\n  r.send(1);\n});"),
    ("javascriptreact", "const a = |<p>{x}</p>;\nf();‖", "<p>{x}</p>;"),
    ("typescript", "let a: |number = 1;\nlet b = 2;‖\n", "number = 1;"),
    ("typescriptreact", "const a = |<p>{x}</p>;\nlet y: number = 1;\n‖", "<p>{x}</p>;"),
    ("java", "class A {\n  |int f() {\n    return 1;\n  }\n  int g;‖\n}\n", "int f() {\n    return 1;\n  }"),
    ("go", "func f() int {\n\t|x := 1\n\treturn x\n}\n‖\nfunc g() {}\n", "x := 1"),
    ("rust", "fn f() -> i32 {\n    let x = |1;\n    x + 1\n}\n‖", "1;"),
    ("c", "|#include <a.h>\nint main(void) {\n  return 0;\n}\n‖", "#include <a.h>"),
    ("cpp", "std::vec|tor<int> v;\nint i;‖\n", "tor<int> v;"),
    # no grammar: brackets and lines
    ("ruby", "def f(|a, b)\n  a + b\nend\n‖", "a, b)"),
    (None, "call(|[1,\n  2],\n  3)\nother\n‖", "[1,\n  2],"),
]


@pytest.mark.parametrize(("language", "source", "unit"), FIRST_UNITS)
def test_the_first_complete_unit(language: str | None, source: str, unit: str) -> None:
    assert texts(language, source)[1] == unit


@pytest.mark.parametrize(
    ("language", "source", "cuts"),
    [
        (
            "python",
            "re|turn foo(a)\n\n\ndef g():\n    pass‖\n",
            [
                ("turn", "token"),
                ("turn foo(a)", "statement"),
                ("turn foo(a)\n\n\ndef g():", "line"),
                ("turn foo(a)\n\n\ndef g():\n    pass", "block"),
            ],
        ),
        ("python", "x = |1\n‖", [("1", "statement"), ("1\n", "whole")]),
        ("python", "x = f(|a‖)\n", [("a", "line")]),
        ("plaintext", "one t|wo\nthree‖", [("wo", "statement"), ("wo\nthree", "statement")]),
        ("python", "|‖", []),
        ("python", "|  \n‖", [("  \n", "whole")]),
    ],
)
def test_cuts_and_their_kinds(language: str, source: str, cuts: list[tuple[str, str]]) -> None:
    assert texts(language, source)[0] == cuts


def test_windows_may_begin_inside_a_docstring() -> None:
    source = 'ends here.\n    """\n    x = |1\n    return x\n\n\ndef g():\n    """Another.‖ one'
    assert texts("python", source)[1] == "1"


def test_cuts_are_few_ascending_and_end_with_all_of_the_commit() -> None:
    committed = "".join(f"x{n} = {n}\n" for n in range(3000))
    cuts = cut_points("python", "a = 1\n", committed, "b = 2\n")
    offsets = [cut.offset for cut in cuts]
    assert len(cuts) == MAX_CUTS
    assert offsets == sorted(set(offsets))
    assert offsets[-1] == len(committed) > COMMIT
    assert [committed[:offset] for offset in offsets[:2]] == ["x0", "x0 = 0"]


def test_offsets_count_code_points() -> None:
    committed = "'grüße 🙂'\ny = 1"
    cuts = cut_points("python", "# 🙂\nx = ", committed, "\n")
    assert committed[: first_unit(cuts).offset] == "'grüße 🙂'"


def test_deep_nesting_is_survived() -> None:
    assert cut_points("javascript", "f(", "(" * 3000 + ")" * 3000, ")")[-1].offset == 6000

"""Which names of a lesson come from nowhere, in eight languages."""

import pytest

from echo_ops.curation.consistency import unknown_names
from echo_ops.curation.language_names import LANGUAGE_NAMES
from echo_ops.curation.rule import Row
from echo_ops.curation.syntax import window_of
from echo_ops.grammars import GRAMMARS


def unknown(language: str, prefix: str, lesson: str, suffix: str = "\n") -> tuple[int, int]:
    row = Row(language, prefix, suffix, None, lesson, None, "fill", lesson)
    window = window_of(row)
    assert window is not None
    return unknown_names(row, window)


UNKNOWN = [
    # the lesson, and how many of its names nothing brings
    ("python", "import os, sys as s\nfrom a import b as c\nfor i, j in enumerate(s.x(os)):\n    print(i, j, c)\n", 0),
    ("python", "with open('f') as f:\n    x = [q for q in f if q]\n    lost(x, key=lambda v: v.gone)\n", 1),
    ("python", "def g(a, *b, c: Lost = 1) -> Gone:\n    return a + b[0] + c\n", 2),
    ("python", "# words in comments\nx = 'and in strings' + f'{lost}'\n", 1),
    ("javascript", "const {c, d: e, ...r} = lost;\nfunction f(g, {h}, ...z) { return c.q + e + r + z + g + h; }\n", 1),
    (
        "javascript",
        "import {a as b} from 'x';\nlet m = (n) => n + b;\ntry {} catch (err) { console.log(err.x, m); }\n",
        0,
    ),
    ("typescript", "interface A { x: Lost; y(z: string): void }\ntype M = { [n: string]: A };\n", 1),
    ("typescript", "class D<T1> { private p: T1; constructor(private q: D<T1>) { this.p = q.p; } }\n", 0),
    ("typescriptreact", "const X = () => <Lost bar={1}><div className='a'>{gone.r}</div></Lost>;\n", 2),
    ("java", "class D { private int f = 1; int m(int h) { for (Lost l : this.all()) { l.n(h); } return f; } }\n", 1),
    (
        "java",
        "import a.b.C;\nclass D { void m() { try { C c = new C(); } catch (IllegalStateException e) { e.x(); } } }\n",
        0,
    ),
    ("go", "func f(e int, g ...string) (h int, err error) { for m, n := range g { h = m + len(n) + e }; return }\n", 0),
    ("go", "type A struct { b Lost }\nfunc (a *A) d() A { h := A{b: 1}; var r, s = 1, h; return gone(r, s) }\n", 2),
    (
        "rust",
        'use a::b::{c, d as e};\nfn f(x: str, mut j: i32) -> Lost { let (m, n) = c(x, j); print!("{}", e(m, n)); }\n',
        1,
    ),
    ("rust", "match Some(1) { Some(w) => { let y = |z| z + w; y(lost) } None => 0 }\n", 1),
    (
        "c",
        "static int *g(Lost h, int *i) { int *k = i, m[3]; for (int n = 0; n < 3; n++) { k->p = m[n]; } return k; }\n",
        1,
    ),
    (
        "c",
        "#include <a.h>\n#define B 1\nstruct c { int d; };\nint f(void) { goto out; out: return B; }\n",
        0,
    ),
    (
        "cpp",
        "namespace b { class E : public Lost { int g_; explicit E(std::vector<int>& i) : g_(i.size()) {} }; }\n",
        1,
    ),
    ("cpp", "auto l = [](int n) { return std::max(n, 1); };\nfor (auto& [q, r] : lost) { q(l(1)); }\n", 1),
]


@pytest.mark.parametrize(("language", "lesson", "expected"), UNKNOWN)
def test_what_nothing_brings_is_counted(language: str, lesson: str, expected: int) -> None:
    assert unknown(language, "", lesson)[1] == expected


def test_the_context_brings_names_as_whole_words() -> None:
    assert unknown("python", "base = 1\n", "x = f(base)", "\ndef f(a): ...\n") == (2, 0)
    assert unknown("python", "database = 1\n", "x = base", "\n") == (1, 1)
    assert unknown("python", "base_url = 1\nbase = 2\n", "x = base", "\n") == (1, 0)


def test_operands_are_used_and_what_is_assigned_is_not() -> None:
    for language in ("python", "javascript", "go", "rust", "c"):
        assert unknown(language, "", "if (lost + 1 > gone) {\n" if language != "python" else "lost + gone\n")[1] == 2
    assert unknown("python", "", "found = 1\nprint(found)\n")[1] == 0


def test_words_in_which_the_request_opened_and_members_are_no_names() -> None:
    assert unknown("python", "def f(path):\n    return pa", "th", "\n")[1] == 0
    assert unknown("python", "import os\nx = os.", "getcwd()", "\n")[1] == 0
    assert unknown("cpp", "auto x = std::", "gcd(1, 2);", "\n")[1] == 0


def test_every_grammar_has_its_names() -> None:
    assert set(LANGUAGE_NAMES) == set(GRAMMARS)

"""One table row per reason, and the cases beside it that must pass."""

from typing import Any

import pytest

from echo_ops.curation import boundaries, judged, syntax
from echo_ops.curation.reasons import Reason
from echo_ops.curation.rule import KEEP, Drop, Row, Rule
from echo_ops.settings import Curation

SETTINGS = Curation(max_lesson_characters=20, min_probability=0.5)


def row(**changed: Any) -> Row:
    lesson = changed.get("lesson", "1")
    usual: dict[str, Any] = {
        "language": "python",
        "prefix": "x = ",
        "suffix": "\n",
        "proposal": None,
        "committed": lesson,
        "committed_120s": None,
        "close_reason": "idle",
        "confidence": "exact",
        "cut": len(lesson),
        "cut_probability": None,
        "verdict": "fill",
        "verdict_probability": None,
        "lesson": lesson,
    }
    return Row(**usual | changed)


SILENCE = {"verdict": "silence", "lesson": "", "committed": "", "cut": 0}

DROPPED: list[tuple[Rule, Reason, dict[str, Any]]] = [
    (boundaries.known_commit, Reason.UNKNOWN_COMMIT, {"committed": None}),
    (boundaries.closed, Reason.HORIZON, {"close_reason": "horizon"}),
    (boundaries.unambiguous, Reason.AMBIGUOUS, {"confidence": "ambiguous"}),
    (judged.valid, Reason.TEACHER_INVALID, {"verdict": None, "cut": None}),
    (judged.valid, Reason.TEACHER_INVALID, {"verdict": "fill", "cut": 0}),
    (judged.valid, Reason.TEACHER_INVALID, {"verdict": "fill", "cut": 2}),
    (judged.valid, Reason.TEACHER_INVALID, {"verdict": "fill", "cut": -1}),
    (judged.valid, Reason.TEACHER_INVALID, {"verdict": "splendid"}),
    (judged.not_rejected, Reason.REJECT_BOUNDARY, {"verdict": "reject_boundary"}),
    (judged.not_rejected, Reason.REJECT_INCONSISTENT, {"verdict": "reject_inconsistent"}),
    (judged.not_rejected, Reason.REJECT_NOISE, {"verdict": "reject_noise"}),
    (judged.sure, Reason.UNSURE, {"cut_probability": 0.49, "verdict_probability": 0.9}),
    (judged.sure, Reason.UNSURE, {"verdict_probability": 0.1}),
    (boundaries.lasting_silence, Reason.SILENCE_CONTRADICTED, {**SILENCE, "committed_120s": "x"}),
    (boundaries.not_blank, Reason.WHITESPACE_ONLY, {"lesson": " \n"}),
    (boundaries.short_enough, Reason.TOO_LONG, {"lesson": "x" * 21}),
    (boundaries.whole_token, Reason.MID_TOKEN, {"lesson": "fo", "suffix": "o()\n"}),
    (boundaries.whole_token, Reason.MID_TOKEN, {"lesson": "fo", "committed": "foo()"}),
    (boundaries.whole_token, Reason.MID_TOKEN, {"lesson": "grö", "committed": "größe"}),
    (boundaries.not_after_the_gap, Reason.REPEATS_SUFFIX, {"lesson": "return x\n", "suffix": "\n    return  x\n\n"}),
    (boundaries.not_before_the_gap, Reason.REPEATS_PREFIX, {"prefix": "foo(1)\nbar(2)\n", "lesson": "bar(2)\n"}),
    (boundaries.not_before_the_gap, Reason.REPEATS_PREFIX, {"prefix": "a\n  foo_bar(1)\n\n  fo", "lesson": "o_bar(1)"}),
    (
        boundaries.not_before_the_gap,
        Reason.REPEATS_PREFIX,
        {"prefix": "foo(1)\nbar(2)\n", "lesson": "foo(1)\n\n  bar(2)\n"},
    ),
    (syntax.well_formed, Reason.BREAKS_SYNTAX, {"prefix": "x = 1\n", "lesson": "f(1", "suffix": "\ny = 2\n"}),
    (syntax.well_formed, Reason.BREAKS_SYNTAX, {"prefix": "x = 1\n", "lesson": "f(1))", "suffix": "\ny = 2\n"}),
]

KEPT: list[tuple[Rule, dict[str, Any]]] = [
    (boundaries.known_commit, SILENCE),
    (boundaries.closed, {}),
    (boundaries.unambiguous, {"confidence": "inferred"}),
    (judged.valid, {}),
    (judged.valid, SILENCE),
    (judged.valid, {"verdict": "silence", "lesson": "", "committed": "abc", "cut": 3}),
    (judged.not_rejected, SILENCE),
    (judged.sure, {}),
    (judged.sure, {"cut_probability": 0.5}),
    (boundaries.lasting_silence, SILENCE),
    (boundaries.lasting_silence, {**SILENCE, "committed_120s": "\n  "}),
    (boundaries.lasting_silence, {"committed_120s": "11"}),
    (boundaries.not_blank, SILENCE),
    (boundaries.not_blank, {}),
    (boundaries.short_enough, {"lesson": "x" * 20}),
    (boundaries.whole_token, {"lesson": "foo", "suffix": "()"}),
    (boundaries.whole_token, {"lesson": "foo(", "suffix": "bar)"}),
    (boundaries.whole_token, {"lesson": "foo", "suffix": ""}),
    (boundaries.whole_token, {**SILENCE, "prefix": "fo", "suffix": "o"}),
    (boundaries.not_after_the_gap, {"lesson": ")", "suffix": "))\n"}),
    (boundaries.not_after_the_gap, {"lesson": "return x", "suffix": "\n    return y\n"}),
    (boundaries.not_after_the_gap, SILENCE),
    (boundaries.not_before_the_gap, {"prefix": "}\n", "lesson": "}\n"}),
    (boundaries.not_before_the_gap, {"prefix": "foo(1)\n", "lesson": "foo(2)\n"}),
    (boundaries.not_before_the_gap, {"prefix": "foo(1)\nbar(2)\n", "lesson": "foo(1)\n"}),
    (boundaries.not_before_the_gap, SILENCE),
    (syntax.well_formed, {"lesson": "f(1)", "suffix": "\ny = 2\n"}),
    (syntax.well_formed, {"lesson": "f(1", "language": "ruby"}),
    (syntax.well_formed, {"lesson": "f(1", "suffix": ")\n"}),
    (syntax.well_formed, {"prefix": "def f(:\n  x = ", "lesson": "1"}),  # the error was there before
    (syntax.well_formed, {"prefix": 'no code\n"""\nx = ', "lesson": "1"}),  # a window into a docstring
    (syntax.well_formed, SILENCE),
]


@pytest.mark.parametrize(("rule", "reason", "changed"), DROPPED)
def test_dropped(rule: Rule, reason: Reason, changed: dict[str, Any]) -> None:
    said = rule(row(**changed), SETTINGS)
    assert isinstance(said, Drop)
    assert said.reason is reason


@pytest.mark.parametrize(("rule", "changed"), KEPT)
def test_kept(rule: Rule, changed: dict[str, Any]) -> None:
    assert rule(row(**changed), SETTINGS) == KEEP


@pytest.mark.parametrize(
    ("language", "prefix", "good", "bad"),
    [
        ("python", "x = ", "f(1)", "f(1"),
        ("javascript", "let x = ", "() => { g(); };", "() => { g();"),
        ("javascriptreact", "let x = ", "<p>a</p>;", "<p>a;"),
        ("typescript", "let x", ": number = 1;", ": number = ;"),
        ("typescriptreact", "let x = ", "<p>a</p>;", "<p>a;"),
        ("java", "class A { int f() { ", "return 1; }", "return 1; )"),
        ("go", "package a\nfunc f() ", "int { return 1 }", "int { return 1 "),
        ("rust", "fn f() ", "{ let x = 1; }", "{ let x = ; }"),
        ("c", "int f(void) ", "{ return 1; }", "{ return 1 1; }"),
        ("cpp", "int f() ", "{ return std::max<int>(1, 2); }", "{ return std::max<int>(1, 2; }"),
    ],
)
def test_syntax_in_every_language(language: str, prefix: str, good: str, bad: str) -> None:
    suffix = {"java": " }\n"}.get(language, "\n")
    assert syntax.well_formed(row(language=language, prefix=prefix, suffix=suffix, lesson=good), SETTINGS) == KEEP
    # a context that is in order by itself, so that the lesson alone is to blame
    broken = row(language=language, prefix="", suffix="", lesson=prefix + bad + suffix)
    assert isinstance(syntax.well_formed(broken, SETTINGS), Drop)


def test_every_reason_is_said_by_a_test_or_decided_on_many_rows() -> None:
    on_many = {Reason.OVERLAP, Reason.DUPLICATE, Reason.USER_CAP, Reason.VOID_SHARE}
    in_redaction = {Reason.SECRET_IN_LESSON, Reason.PERSONAL_DATA_IN_LESSON}
    assert {reason for _, reason, _ in DROPPED} | on_many | in_redaction == set(Reason)

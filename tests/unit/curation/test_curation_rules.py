"""One table row per reason, and the cases beside it that must pass; each is measured, then decided."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from echo_ops.curation import rules
from echo_ops.curation.measure import Outside, measure
from echo_ops.curation.reasons import Reason
from echo_ops.curation.rule import KEEP, Drop, Keep, Scores
from echo_ops.schema.scores import SCORES
from echo_ops.settings import Curation

SETTINGS = Curation(max_lesson_characters=40, min_probability=0.5, min_student_nats=0.1, max_student_nats=3.0)


def decide(settings: Curation = SETTINGS, **changed: Any) -> Keep | Drop:
    """What becomes of a row; ``lesson`` is what the teacher took of the commit."""
    scores = scored(**changed)
    return rules.decide(scores, settings)


def scored(**changed: Any) -> Scores:
    lesson = changed.get("lesson", "1")
    row: dict[str, Any] = {
        "request_id": "r",
        "user_id": "u",
        "repository": None,
        "document_id": "d",
        "language": "python",
        "requested_at": datetime(2026, 11, 20, tzinfo=UTC),
        "close_reason": "idle",
        "evidence": "edits",
        "confidence": "exact",
        "prefix": "x = ",
        "suffix": "\n",
        "proposal": None,
        "committed": lesson,
        "committed_120s": None,
        "cut": len(lesson),
        "cut_probability": None,
        "verdict": "fill",
        "verdict_probability": None,
    } | changed
    nats = None if "nats" not in changed else {"r": changed["nats"]}
    outside = Outside(frozenset(changed.get("withdrawn", ())), nats, changed.get("evaluation", frozenset()))
    scores, _, _ = measure(row, None if row["verdict"] is None else row, outside)
    return scores


SILENCE = {"verdict": "silence", "lesson": "", "committed": "", "cut": 0}
CODE = {"prefix": "import os\n\ndef f(path):\n    ", "suffix": "\n\nf(1)\n"}

DROPPED: list[tuple[Reason, dict[str, Any]]] = [
    (Reason.NO_CONSENT, {"withdrawn": ["u"]}),
    (Reason.UNKNOWN_COMMIT, {"committed": None}),
    (Reason.HORIZON, {"close_reason": "horizon"}),
    (Reason.AMBIGUOUS, {"confidence": "ambiguous"}),
    (Reason.AMBIGUOUS, {"confidence": "ambiguous", "evidence": "requests"}),
    (Reason.UNCERTAIN, {"confidence": "inferred", "evidence": "requests"}),
    (Reason.TEACHER_INVALID, {"verdict": None}),
    (Reason.TEACHER_INVALID, {"verdict": "fill", "cut": 0}),
    (Reason.TEACHER_INVALID, {"verdict": "fill", "cut": 2}),
    (Reason.TEACHER_INVALID, {"verdict": "fill", "cut": -1}),
    (Reason.TEACHER_INVALID, {"verdict": "splendid"}),
    (Reason.REJECT_BOUNDARY, {"verdict": "reject_boundary"}),
    (Reason.REJECT_INCONSISTENT, {"verdict": "reject_inconsistent"}),
    (Reason.REJECT_NOISE, {"verdict": "reject_noise"}),
    (Reason.UNSURE, {"cut_probability": 0.49, "verdict_probability": 0.9}),
    (Reason.UNSURE, {"verdict_probability": 0.1}),
    (Reason.SILENCE_CONTRADICTED, {**SILENCE, "committed_120s": "x"}),
    (Reason.WHITESPACE_ONLY, {"lesson": " \n"}),
    (Reason.TOO_LONG, {"lesson": "x" * 41}),
    (Reason.MID_TOKEN, {"lesson": "fo", "suffix": "o()\n"}),
    (Reason.MID_TOKEN, {"lesson": "fo", "committed": "foo()"}),
    (Reason.MID_TOKEN, {"lesson": "grö", "committed": "größe"}),
    (Reason.MID_TOKEN, {"lesson": "1 if a =", "committed": "1 if a == b else c"}),
    (Reason.MID_TOKEN, {"lesson": "a -", "suffix": "> b\n", "language": "c"}),
    (Reason.REPEATS_SUFFIX, {"lesson": "return x\n", "suffix": "\n    return  x\n\n"}),
    (Reason.REPEATS_PREFIX, {"prefix": "foo(1)\nbar(2)\n", "lesson": "bar(2)\n"}),
    (Reason.REPEATS_PREFIX, {"prefix": "a\n  foo_bar(1)\n\n  fo", "lesson": "o_bar(1)"}),
    (Reason.REPEATS_PREFIX, {"prefix": "foo(1)\nbar(2)\n", "lesson": "foo(1)\n\n  bar(2)\n"}),
    (Reason.BREAKS_SYNTAX, {"prefix": "x = 1\n", "lesson": "f(1", "suffix": "\ny = 2\n"}),
    (Reason.BREAKS_SYNTAX, {"prefix": "x = 1\n", "lesson": "f(1))", "suffix": "\ny = 2\n"}),
    (Reason.UNKNOWN_NAMES, {**CODE, "lesson": "return join(base, path)"}),
    (Reason.TOO_EASY, {"nats": 0.09}),
    (Reason.TOO_HARD, {"nats": 3.1}),
    (Reason.SECRET_IN_LESSON, {"prefix": "password = ", "lesson": "'hunter2!!'"}),
    (Reason.PERSONAL_DATA_IN_LESSON, {"lesson": "'jane@acme.io'"}),
]

KEPT: list[dict[str, Any]] = [
    {},
    SILENCE,
    {"withdrawn": ["v"]},
    {"confidence": "inferred"},
    {"confidence": "inferred", "evidence": "snapshots"},
    {"verdict": "silence", "lesson": "", "committed": "abc", "cut": 3},
    {"cut_probability": 0.5},
    {**SILENCE, "committed_120s": "\n  "},
    {"committed_120s": "11"},
    {"lesson": "x" * 40},
    {"lesson": "foo", "suffix": "()"},
    {"lesson": "foo(", "suffix": "bar)"},
    {"lesson": "foo", "suffix": ""},
    {**SILENCE, "prefix": "fo", "suffix": "o"},
    {"lesson": "dict[str, list[int", "suffix": "]]\n"},
    {"lesson": "List<Set<String", "suffix": ">> x;\n", "language": "ruby"},
    {"lesson": ")", "prefix": "x = (1", "suffix": "\n"},
    {"lesson": "return x", "suffix": "\n    return y\n", "prefix": "def f():\n    "},
    {"prefix": "if (a) {\n}\n", "lesson": "}\n", "language": "ruby"},
    {"prefix": "foo(1)\n", "lesson": "foo(2)\n"},
    {"prefix": "foo(1)\nbar(2)\n", "lesson": "foo(1)\n"},
    {"lesson": "f(1)", "suffix": "\ny = 2\n"},
    {"lesson": "f(1", "language": "ruby"},
    {"lesson": "f(1", "suffix": ")\n"},
    {"prefix": "def f(:\n  x = ", "lesson": "1"},  # the error was there before
    {"prefix": 'no code\n"""\nx = ', "lesson": "1"},  # a window into a docstring
    {**CODE, "lesson": "return os.path.join(base, path)"},  # one unknown name is not yet two
    {**CODE, "lesson": "return a1(b1, c1)", "language": "ruby"},
    {"nats": 0.1},
    {"nats": 3.0},
    {**SILENCE, "nats": 0.5},
]


@pytest.mark.parametrize(("reason", "changed"), DROPPED)
def test_dropped(reason: Reason, changed: dict[str, Any]) -> None:
    said = decide(**changed)
    assert isinstance(said, Drop)
    assert said.reason is reason


@pytest.mark.parametrize("changed", KEPT)
def test_kept(changed: dict[str, Any]) -> None:
    assert decide(**changed) == KEEP


def test_thresholds_that_are_off_drop_nothing() -> None:
    off = Curation(confidence_of_requests="inferred", min_unknown_names=100)
    assert decide(off, nats=0.0) == decide(off, nats=99.0) == KEEP
    assert decide(off, evidence="requests", confidence="inferred") == KEEP
    assert decide(off, **CODE, lesson="return join(base, path)") == KEEP


def test_each_evidence_has_its_own_least_confidence() -> None:
    for evidence in ("edits", "snapshots"):
        strict = Curation(**{f"confidence_of_{evidence}": "exact"})  # type: ignore[arg-type]
        assert isinstance(decide(strict, evidence=evidence, confidence="inferred"), Drop)
        assert decide(strict, evidence=evidence) == KEEP


def test_what_no_threshold_brings_back_is_not_measured() -> None:
    assert scored(verdict="reject_noise").content_key is None
    assert scored(lesson=" \n").syntax_errors is None
    assert scored(lesson="'jane@acme.io'").content_key is None
    assert scored(lesson="x" * 999, evidence="requests", confidence="inferred").content_key is not None


def test_scores_are_the_columns_of_the_schema() -> None:
    assert {field.name for field in fields(Scores)} == set(SCORES.names)


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
    settings = Curation(min_unknown_names=99)
    assert decide(settings, language=language, prefix=prefix, suffix=suffix, lesson=good) == KEEP
    # a context that is in order by itself, so that the lesson alone is to blame
    broken = decide(settings, language=language, prefix="", suffix="", lesson=prefix + bad + suffix)
    assert isinstance(broken, Drop)
    assert broken.reason is Reason.BREAKS_SYNTAX


def test_every_reason_is_said_by_a_test_or_decided_on_many_rows() -> None:
    shares = {Reason.USER_CAP, Reason.REPOSITORY_CAP, Reason.LENGTH_SHARE, Reason.LANGUAGE_SHARE, Reason.VOID_SHARE}
    on_many = {Reason.OVERLAP, Reason.DUPLICATE, Reason.NEAR_DUPLICATE, Reason.CONTAMINATED, *shares}
    assert {reason for reason, _ in DROPPED} | on_many == set(Reason)

"""What holds of curation whatever comes in, in whatever order and shards."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from echo_ops.curation.curate import assemble, refine, replay, select
from echo_ops.schema.lifecycles import CLOSE_REASONS, CONFIDENCES, EVIDENCES, LIFECYCLES
from echo_ops.schema.verdicts import VERDICTS, VERDICTS_OF_A_TEACHER
from echo_ops.settings import Curation
from echo_ops.teacher.cutpoints import MAX_CUTS, cut_points
from echo_ops.teacher.judge import judge
from echo_ops.teacher.syntax import SyntaxTeacher

PIECES = [*"ab1 \n\t()[]{}:;=.,'\"#é🙂", "def ", "if ", "return ", "jane@acme.io", '"""']
CODE = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
ADDRESS = re.compile(r"(?<![\w.+@-])jane@acme\.io(?![\w(])")
LANGUAGES = st.sampled_from([None, "python", "typescript", "cpp", "ruby"])
SETTINGS = st.builds(
    Curation,
    max_lesson_characters=st.integers(1, 30),
    max_per_user=st.integers(1, 5),
    max_per_repository=st.integers(1, 5),
    confidence_of_requests=st.sampled_from(["exact", "inferred"]),
    max_unknown_share=st.floats(0, 1),
    near_duplicate=st.none() | st.floats(0, 1),
    length_share=st.floats(0, 1),
    language_share=st.floats(0, 1),
    balanced_from=st.integers(0, 3),
    void_share=st.floats(0, 1),
    evaluation_share=st.floats(0, 1),
    split_by=st.sampled_from(["auto", "repository", "user", "document"]),
)


@st.composite
def days(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lifecycles of a day, and what some teacher said of them, sense or nonsense."""
    lifecycles, verdicts = [], []
    for number in range(draw(st.integers(0, 12))):
        noon = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=draw(st.integers(0, 3)))
        committed = draw(st.none() | CODE)
        lifecycles.append(
            {
                "request_id": f"r{number}",
                "document_id": draw(st.sampled_from("de")),
                "session_id": "s",
                "user_id": draw(st.sampled_from("uv")),
                "repository": draw(st.sampled_from([None, "a", "b"])),
                "language": draw(LANGUAGES),
                "requested_at": noon,
                "received_at": noon,
                "prefix": draw(CODE),
                "suffix": draw(CODE),
                "proposal": draw(st.none() | CODE),
                "decision": "ignored",
                "committed": committed,
                "close_reason": draw(st.sampled_from(CLOSE_REASONS)),
                "closed_at": noon,
                "evidence": draw(st.sampled_from(EVIDENCES)),
                "confidence": draw(st.sampled_from(CONFIDENCES)),
                "policy": "default",
                "committed_120s": draw(st.none() | CODE),
            }
        )
        if draw(st.booleans()):
            verdicts.append(
                {
                    "request_id": f"r{number}",
                    "cut": draw(st.integers(0, len(committed or "") + 1)),
                    "cut_kind": "line",
                    "verdict": draw(st.sampled_from(VERDICTS_OF_A_TEACHER)),
                    "teacher": "t",
                    "prompt_version": "1",
                }
            )
    return lifecycles, verdicts


def curate(
    lifecycles: list[dict[str, Any]], verdicts: list[dict[str, Any]], chosen: Curation, shards: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A day in so many shards, by document."""
    refined = [
        refine(
            pa.Table.from_pylist([row for row in lifecycles if hash_of(row["document_id"]) % shards == n], LIFECYCLES),
            pa.Table.from_pylist(verdicts, VERDICTS),
            chosen,
        )
        for n in range(shards)
    ]
    selection = select(pa.concat_tables([shard.keys for shard in refined]), chosen)
    examples = [row for shard in refined for row in assemble(shard.candidates, selection.kept).to_pylist()]
    dropped = [row for shard in refined for row in shard.dropped.to_pylist()] + selection.dropped.to_pylist()
    return sorted(examples, key=by_id), sorted(dropped, key=by_id)


def hash_of(document_id: str) -> int:
    return ord(document_id)


def by_id(row: dict[str, Any]) -> str:
    found: str = row["request_id"]
    return found


@settings(max_examples=150, deadline=None)
@given(day=days(), chosen=SETTINGS)
def test_each_lifecycle_is_an_example_or_dropped(
    day: tuple[list[dict[str, Any]], list[dict[str, Any]]], chosen: Curation
) -> None:
    lifecycles, verdicts = day
    examples, dropped = curate(lifecycles, verdicts, chosen, shards=1)
    assert sorted(map(by_id, examples + dropped)) == sorted(map(by_id, lifecycles))
    committed = {row["request_id"]: row["committed"] for row in lifecycles}
    for example in examples:
        assert committed[example["request_id"]].startswith(example["lesson"])
        assert example["committed"].startswith(example["lesson"])
        for name in ("prefix", "lesson", "suffix", "committed", "proposal"):
            assert not ADDRESS.search(example[name] or "")
    users = [example["user_id"] for example in examples]
    assert all(users.count(user) <= chosen.max_per_user for user in users)
    voids = [not example["lesson"] for example in examples]
    assert sum(voids) <= chosen.void_share * len(voids) + 1e-6


@settings(max_examples=75, deadline=None)
@given(day=days(), chosen=SETTINGS, random=st.randoms(use_true_random=False), shards=st.integers(1, 3))
def test_neither_order_nor_shards_matter(
    day: tuple[list[dict[str, Any]], list[dict[str, Any]]], chosen: Curation, random: Any, shards: int
) -> None:
    lifecycles, verdicts = day
    expected = curate(lifecycles, verdicts, chosen, shards=1)
    random.shuffle(lifecycles)
    random.shuffle(verdicts)
    assert curate(lifecycles, verdicts, chosen, shards) == expected


@settings(max_examples=75, deadline=None)
@given(day=days(), harvested=SETTINGS, other=SETTINGS)
def test_a_replay_from_scores_is_what_a_harvest_would_do(
    day: tuple[list[dict[str, Any]], list[dict[str, Any]]], harvested: Curation, other: Curation
) -> None:
    lifecycles, verdicts = pa.Table.from_pylist(day[0], LIFECYCLES), pa.Table.from_pylist(day[1], VERDICTS)
    scores = refine(lifecycles, verdicts, harvested).scores
    anew = refine(lifecycles, verdicts, other)
    assert anew.scores.equals(scores)
    selection = select(anew.keys, other)
    kept, dropped = replay(scores, other)
    assert kept.equals(selection.kept)
    assert dropped.equals(pa.concat_tables([anew.dropped, selection.dropped]).sort_by("request_id"))


@settings(max_examples=150, deadline=None)
@given(day=days())
def test_the_syntax_teacher_is_never_invalid(day: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    lifecycles, _ = day
    table = pa.Table.from_pylist(lifecycles, LIFECYCLES)
    verdicts = judge(table, SyntaxTeacher())
    assert "teacher_invalid" not in refine(table, verdicts, Curation()).dropped["reason"].to_pylist()


@settings(max_examples=300, deadline=None)
@given(language=LANGUAGES, prefix=CODE, committed=CODE, suffix=CODE)
def test_cuts_lie_inside_the_commit(language: str | None, prefix: str, committed: str, suffix: str) -> None:
    cuts = cut_points(language, prefix, committed, suffix)
    offsets = [cut.offset for cut in cuts]
    assert offsets == sorted(set(offsets))
    assert len(offsets) <= MAX_CUTS
    assert offsets[-1:] == ([len(committed)] if committed else [])
    assert all(offset > 0 for offset in offsets)

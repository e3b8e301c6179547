"""Answers that are kept."""

import logging
from pathlib import Path

import pytest

from echo_ops.teacher.cache import REFUSED, AnswerCache, Reply

A, B, C = (bytes([n]) * 32 for n in range(3))
FIRST = Reply("1", 0.5, "A", 0.25)
SECOND = Reply("0", None, "B", None)


def test_what_is_kept_is_found_and_nothing_else(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, "model", "1")
    assert cache.load({A}) == {}
    cache.keep({A: FIRST})
    cache.keep({B: SECOND, C: REFUSED})
    assert AnswerCache(tmp_path, "model", "1").load({A, C}) == {A: FIRST, C: REFUSED}
    assert REFUSED.refused
    assert not FIRST.refused


@pytest.mark.parametrize(("model", "version"), [("other", "1"), ("model", "2"), ("mo/del", "1")])
def test_another_model_or_prompt_knows_nothing(tmp_path: Path, model: str, version: str) -> None:
    AnswerCache(tmp_path, "model", "1").keep({A: FIRST})
    AnswerCache(tmp_path, "mo-del", "1").keep({A: FIRST})
    assert AnswerCache(tmp_path, model, version).load({A}) == {}


def test_the_same_answers_are_the_same_file(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, "model", "1")
    cache.keep({A: FIRST, B: SECOND})
    cache.keep({B: SECOND, A: FIRST})
    cache.keep({})
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_remains_of_a_kill_and_damaged_files_are_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = AnswerCache(tmp_path, "model", "1")
    cache.keep({A: FIRST})
    folder = next(tmp_path.iterdir())
    (folder / "half.part").write_bytes(b"half")
    (folder / "damaged.parquet").write_bytes(b"half")
    with caplog.at_level(logging.WARNING):
        assert cache.load({A}) == {A: FIRST}
    assert "damaged.parquet" in caplog.text
    assert "half.part" not in caplog.text


def test_a_cache_may_be_named_by_uri(tmp_path: Path) -> None:
    AnswerCache(f"file://{tmp_path}/cache", "model", "1").keep({A: FIRST})
    assert AnswerCache(tmp_path / "cache", "model", "1").load({A}) == {A: FIRST}

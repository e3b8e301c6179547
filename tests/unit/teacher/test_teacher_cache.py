"""Answers that are kept."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from echo_ops.errors import UnavailableError
from echo_ops.teacher import cache as caching
from echo_ops.teacher.cache import REFUSED, AnswerCache, Reply
from echo_ops.teacher.store import STALE, Store

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


def keys(start: int, stop: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in range(start, stop)]


def files(place: Path) -> list[Path]:
    return list(place.rglob("*.parquet"))


def test_many_files_become_one_and_nothing_is_lost(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, "model", "1")
    for number in range(200):
        cache.keep(dict.fromkeys(keys(number, number + 2), FIRST))
        assert len(files(tmp_path)) <= caching.MANY + 1
    assert cache.load(set(keys(0, 500))) == dict.fromkeys(keys(0, 201), FIRST)


def test_merging_passes_over_damaged_and_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "LARGE", 100)
    cache = AnswerCache(tmp_path, "model", "1")
    cache.keep(dict.fromkeys(keys(0, 90), FIRST))
    (large,) = files(tmp_path)
    damaged = large.with_name("damaged.parquet")
    damaged.write_bytes(b"half")
    for number in range(100, 200):
        cache.keep(dict.fromkeys(keys(number, number + 1), SECOND))
    assert large.exists()
    assert damaged.exists()
    assert len(files(tmp_path)) <= caching.MANY + 3
    assert len(cache.load(set(keys(0, 300)))) == 190


def test_answers_are_found_while_files_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process merges after a reader has listed the files: those are gone when it comes to them."""
    cache = AnswerCache(tmp_path, "model", "1")
    for number in range(10):
        cache.keep(dict.fromkeys(keys(number, number + 1), FIRST))
    names, listed = Store.names, 0

    def list_then_merge(self: Store, ending: str) -> list[str]:
        nonlocal listed
        found = names(self, ending)
        listed += 1
        if listed == 1:
            cache._merge(found)
        return found

    monkeypatch.setattr(Store, "names", list_then_merge)
    assert len(AnswerCache(tmp_path, "model", "1").load(set(keys(0, 10)))) == 10
    assert len(files(tmp_path)) == 1


WRITER = """
import sys
from echo_ops.teacher.cache import AnswerCache, Reply
cache = AnswerCache(sys.argv[1], "model", "1")
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    cache.keep({number.to_bytes(32, "big"): Reply("1", 0.5, "A", 0.25)})
    print(number, flush=True)
"""


def writer(place: Path, start: int, stop: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(place), str(start), str(stop)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_writers_at_once(tmp_path: Path) -> None:
    writers = [writer(tmp_path, 0, 120), writer(tmp_path, 60, 180)]
    assert [each.wait() for each in writers] == [0, 0]
    assert len(AnswerCache(tmp_path, "model", "1").load(set(keys(0, 180)))) == 180
    assert len(files(tmp_path)) <= 2 * caching.MANY


def test_a_writer_that_is_killed_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    process = writer(tmp_path, 0, 100_000)
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(50)]
    process.kill()
    said += [int(line) for line in process.stdout.read().splitlines() if line]
    process.wait()
    process.stdout.close()
    assert set(keys(0, len(said))) <= AnswerCache(tmp_path, "model", "1").load(set(keys(0, 100_000))).keys()


def test_old_remains_of_a_kill_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, new = tmp_path / "old.part", tmp_path / "new.part"
    old.touch()
    new.touch()
    before = time.time() - STALE.total_seconds() - 60
    os.utime(old, (before, before))
    store.remove_remains()
    assert [path.name for path in tmp_path.iterdir()] == ["new.part"]


def test_files_are_listed_while_others_come_and_go(tmp_path: Path) -> None:
    store, stop = Store(tmp_path), threading.Event()
    store.write("stays.parquet", b"")

    def come_and_go() -> None:
        while not stop.is_set():
            store.write("goes.parquet", b"")
            store.remove("goes.parquet")

    others = [threading.Thread(target=come_and_go) for _ in range(3)]
    for other in others:
        other.start()
    try:
        assert all("stays.parquet" in store.names(".parquet") for _ in range(1000))
    finally:
        stop.set()
        for other in others:
            other.join()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match=r"file/.* cannot be written"):
        AnswerCache(tmp_path / "file", "model", "1").keep({A: FIRST})

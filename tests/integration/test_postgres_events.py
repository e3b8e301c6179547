"""Events into a real Postgres and out again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import EchoError, InputError, UnavailableError
from echo_ops.events import load as loading
from echo_ops.events.copy_reader import compiled, copied
from echo_ops.events.load import Counts, load
from echo_ops.events.migrate import current, migrate
from echo_ops.events.read import Counted, count, days, read
from echo_ops.schema.events import EVENTS, TIMESTAMP
from echo_ops.simulate.simulate import write

SPACE = UUID("0194ce5e-7a5b-7cc3-98c4-dc0c0c07398f")
DAY = datetime(2026, 11, 20, tzinfo=UTC)
ORDER = [("document_id", "ascending"), ("seq", "ascending")]
WINDOW = {
    "start": DAY - timedelta(hours=1),
    "day_start": DAY,
    "day_end": DAY + timedelta(days=1),
    "end": DAY + timedelta(hours=27),
}


def _event(document: str, seq: int, kind: str = "changed", hour: float = 12.0, **change: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        **dict.fromkeys(EVENTS.names),
        "event_id": str(uuid5(SPACE, f"{document}/{seq}")),
        "kind": kind,
        "occurred_at": DAY + timedelta(hours=hour),
        "received_at": DAY + timedelta(hours=hour, seconds=seq),
        "user_id": "u",
        "session_id": "s",
        "document_id": document,
        "seq": seq,
        "caret": 1,
        "edits": json.dumps([[0, 1, "é😀\u2028\\."], [3, 3, ""]], ensure_ascii=False),
        "offset_unit": "utf-16",
    }
    if kind == "requested":
        row.update(request_id=row["event_id"], prefix="a\r\n\\.\n\t,\"'", suffix="", edits=None)
    return {**row, **change}


def _file(path: Path, rows: Iterable[dict[str, Any]], row_group: int = 100) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows), schema=EVENTS), path, row_group_size=row_group)
    return path


def _document(name: str, requests: int = 2, hour: float = 12.0) -> list[dict[str, Any]]:
    return [_event(name, seq, "requested" if seq < requests else "changed", hour) for seq in range(5)]


def _run(url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def _parts(url: str, shard: int = 0, shards: int = 1, parts: int = 1, **chosen: Any) -> list[pa.Table]:
    streams = read(url, **{**WINDOW, **chosen}, shard=shard, shards=shards, parts=parts)
    return [pa.Table.from_batches(batches, EVENTS).sort_by(ORDER) for batches in streams]


def _shard(url: str, shard: int, shards: int) -> pa.Table:
    return _parts(url, shard, shards)[0]


def _all(url: str) -> pa.Table:
    return _shard(url, 0, 1)


def test_what_comes_out_is_what_went_in(database_url: str, tmp_path: Path) -> None:
    rows = [
        *_document("a"),
        _event(
            "a", 5, "shown", version=7, request_id=str(SPACE), language="python", repository="r", path="é\\p",
            model_version="m", caret=None, document_length=9, edits=None, cause="typing", proposal="x\n",
            replace_start=0, replace_end=2,
        ),
        _event("a", 6, prefix="of a change", suffix="", edits=None),
        _event("a", 7, "rejected", prefix="of an answer", suffix="nobody looks at it", edits=None),
    ]  # fmt: skip
    counts = load(database_url, [_file(tmp_path / "a.parquet", rows)])
    assert counts == Counts(read=8, loaded=8, repeated=0, rejected={}, days=(DAY.date(),))
    table = _all(database_url)
    assert table.schema == EVENTS
    assert table.to_pylist() == [*rows[:-1], {**rows[-1], "prefix": None, "suffix": None}]


def test_events_of_who_withdrew_are_not_read(database_url: str, tmp_path: Path) -> None:
    rows = [{**row, "user_id": name} for name in "abc" for row in _document(name)]
    load(database_url, [_file(tmp_path / "a.parquet", rows)])

    def users(**chosen: Any) -> set[str]:
        return set(_parts(database_url, **chosen)[0]["user_id"].to_pylist())

    assert users() == {"a", "b", "c"}
    for user, consented, hour in (("a", True, 1), ("a", False, 2), ("b", False, 1), ("b", True, 2)):
        at = DAY + timedelta(hours=hour)
        _run(database_url, "INSERT INTO echo.consents VALUES (%s, %s, %s)", user, consented, at)
    assert users() == {"b", "c"}
    assert users(consent="opt_in") == {"b"}


def test_repeats_are_ignored_wherever_they_come_from(database_url: str, tmp_path: Path) -> None:
    rows = _document("a")
    again = [{**row, "received_at": row["received_at"] + timedelta(days=2)} for row in rows]
    first = load(database_url, [_file(tmp_path / "a.parquet", [*again[:1], *rows, *rows[:2]])])
    assert (first.read, first.loaded, first.repeated) == (8, 5, 3)
    second = load(database_url, [_file(tmp_path / "b.parquet", [*again, _event("b", 0)])])
    assert (second.loaded, second.repeated) == (1, 5)
    assert second.days == (DAY.date(), (DAY + timedelta(days=2)).date())
    assert _all(database_url).to_pylist() == rows, "of several in one file, the one received first"
    # and for writers who know nothing of our loader
    columns = ", ".join(EVENTS.names)
    _run(database_url, f"INSERT INTO echo.completion_events ({columns}) SELECT {columns} FROM echo.completion_events")
    assert _run(database_url, "SELECT count(*) FROM echo.completion_events") == [(6,)]
    # what was deleted for good stays deleted
    _run(database_url, "DELETE FROM echo.completion_events WHERE document_id = 'a'")
    assert load(database_url, [tmp_path / "a.parquet"]).loaded == 0


def test_one_id_for_two_events_of_different_documents(database_url: str, tmp_path: Path) -> None:
    one, other = _event("a", 0, "requested"), _event("b", 0, "requested", event_id=_event("a", 0)["event_id"])
    counts = load(database_url, [_file(tmp_path / "a.parquet", [one, other, one])])
    assert (counts.loaded, counts.repeated) == (2, 1)
    assert _all(database_url).to_pylist() == [one, other]


def test_rows_that_break_the_contract_are_kept_apart(database_url: str, tmp_path: Path) -> None:
    bad = [
        _event("a", 7, "guessed"),
        _event("a", 8, prefix="secret-password\0"),
        _event("a", 9, "requested", suffix=None),
        _event("a", 10, caret=-1),
    ]
    file = _file(tmp_path / "a.parquet", [*_document("a"), *bad])
    reasons = {"bad_text": 1, "unknown_kind": 1, "bad_position": 1, "incomplete_request": 1}
    for loaded in (5, 0):
        counts = load(database_url, [file])
        assert (counts.read, counts.loaded, counts.repeated, counts.rejected) == (9, loaded, 5 - loaded, reasons)
    kept = _run(
        database_url, "SELECT reason, detail, source, row_number, row FROM echo.rejected_events ORDER BY row_number"
    )
    assert [row[:4] for row in kept] == [
        ("unknown_kind", "kind", "a.parquet", 5),
        ("bad_text", "prefix", "a.parquet", 6),
        ("incomplete_request", "suffix", "a.parquet", 7),
        ("bad_position", "caret", "a.parquet", 8),
    ]
    assert kept[1][4]["prefix"] == {"characters": 16}
    assert "secret" not in str(kept)
    assert _all(database_url).num_rows == 5


def test_the_loader_lets_nothing_through_that_the_table_refuses(database_url: str, tmp_path: Path) -> None:
    # Values at the very edges: were admission laxer than the table, COPY or a CHECK would fail for the whole file.
    edges = [
        _event("a", 0, caret=2**31 - 1, document_length=0, replace_start=0, replace_end=2**31 - 1, version=-(2**53)),
        {**_event("a", 1), "seq": 2**53, "received_at": datetime(1970, 1, 1, tzinfo=UTC)},
        _event("a", 2, occurred_at=datetime(2099, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), edits="[]"),
        _event("a", 3, event_id=_event("a", 3)["event_id"].upper().replace("-", ""), edits=" null "),
        _event("a", 4, edits='[[0, 0, "\\ud83d\\ude00\\u0001"]]', document_id="", user_id=""),
    ]
    counts = load(database_url, [_file(tmp_path / "a.parquet", edges)])
    assert (counts.loaded, counts.rejected) == (5, {})


def test_nothing_is_written_when_a_file_cannot_be_loaded(database_url: str, tmp_path: Path) -> None:
    good = _file(tmp_path / "good.parquet", _document("a"))
    lacking = tmp_path / "lacking.parquet"
    pq.write_table(pq.read_table(good).drop_columns(["seq"]), lacking)
    noise = tmp_path / "noise.parquet"
    noise.write_bytes(b"PAR1 nothing")
    cases = [
        (lacking, "lacking.parquet: column seq is missing"),
        (noise, "not readable"),
        (tmp_path / "no", "no such file"),
    ]
    for file, message in cases:
        with pytest.raises(InputError, match=message):
            load(database_url, [good, file])
    assert _run(database_url, "SELECT count(*) FROM echo.completion_events") == [(0,)]


def test_progress_and_many_batches(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH_ROWS", 3)
    files = [_file(tmp_path / f"{name}.parquet", _document(name), row_group=4) for name in "abc"]
    seen: list[tuple[int, int]] = []
    counts = load(database_url, files, progress=lambda done, of: seen.append((done, of)))
    assert (counts.read, counts.loaded) == (15, 15)
    assert seen[0] == (0, 15)
    assert seen[-1] == (15, 15)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_loaders_side_by_side(database_url: str, tmp_path: Path) -> None:
    rows = [row for name in "abcdefgh" for row in _document(name)]
    files = [_file(tmp_path / f"{turn}.parquet", rows[turn * 7 :] + rows[: turn * 7]) for turn in range(4)]
    results: list[Counts] = []
    threads = [threading.Thread(target=lambda f=f: results.append(load(database_url, [f]))) for f in files]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert sum(result.loaded for result in results) == len(rows)
    assert _run(database_url, "SELECT count(*), count(DISTINCT event_id) FROM echo.completion_events") == [(40, 40)]


def test_killed_in_the_middle_and_run_again(database_url: str, tmp_path: Path) -> None:
    rows = [row for number in range(400) for row in _document(f"d{number}")]
    files = [
        _file(tmp_path / "a.parquet", rows[:1000]),
        _file(tmp_path / "b.parquet", [*rows[1000:], _event("x", 0, "?")]),
    ]
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from echo_ops.events import load\n"
        "load.BATCH_ROWS = 100\n"
        "die = lambda done, of: done >= int(sys.argv[2]) and os.kill(os.getpid(), signal.SIGKILL)\n"
        "load.load(sys.argv[1], [Path(file) for file in sys.argv[3:]], die)\n"
    )
    for rows_done, expected in ((500, 0), (1500, 1000)):
        killed = subprocess.run(
            [sys.executable, "-c", script, database_url, str(rows_done), *map(str, files)], check=False
        )
        assert killed.returncode == -signal.SIGKILL
        assert _run(database_url, "SELECT count(*) FROM echo.completion_events") == [(expected,)]
    counts = load(database_url, files)
    assert (counts.loaded, counts.repeated, counts.rejected) == (1000, 1000, {"unknown_kind": 1})
    assert _all(database_url).num_rows == 2000
    assert _run(database_url, "SELECT count(*) FROM echo.rejected_events") == [(1,)]


def test_a_shard_holds_whole_documents_and_each_is_in_one(database_url: str, tmp_path: Path) -> None:
    rows = [row for number in range(60) for row in _document(f"d{number}")]
    load(database_url, [_file(tmp_path / "a.parquet", rows)])
    whole = _all(database_url)
    parts = [_shard(database_url, shard, 7) for shard in range(7)]
    assert all(0 < part.num_rows < whole.num_rows for part in parts)
    together = pa.concat_tables(parts).sort_by([("document_id", "ascending"), ("seq", "ascending")])
    assert together.equals(whole)
    documents = [set(part["document_id"].to_pylist()) for part in parts]
    assert sum(len(part) for part in documents) == 60


def test_the_order_of_loading_does_not_show(database_url: str, tmp_path: Path) -> None:
    rows = [row for number in range(20) for row in _document(f"d{number}")]
    load(database_url, [_file(tmp_path / "a.parquet", rows[::-1])])
    assert _all(database_url).to_pylist() == sorted(rows, key=lambda row: (row["document_id"], row["seq"]))


def test_which_events_belong_to_a_day(database_url: str, tmp_path: Path) -> None:
    rows = [
        _event("early", 0, "opened", hour=-2),  # before the lead
        _event("early", 1, "opened", hour=-0.5),
        _event("early", 2, "requested", hour=0),
        _event("late", 0, "requested", hour=23.9),
        _event("late", 1, "requested", hour=25),  # the next day's, but it may finish the first
        _event("late", 2, "changed", hour=27.1),  # after the grace
        _event("other", 0, "requested", hour=24, received_at=DAY + timedelta(days=1)),
        _event("silent", 0, "changed", hour=12),
    ]
    load(database_url, [_file(tmp_path / "a.parquet", rows)])
    found = {(row["document_id"], row["seq"]) for row in _all(database_url).to_pylist()}
    assert found == {("early", 1), ("early", 2), ("late", 0), ("late", 1)}
    counted = count(database_url, **WINDOW)
    assert (counted.events, counted.requests) == (6, 2)
    assert days(database_url) == [date(2026, 11, 20), date(2026, 11, 21)]
    empty = count(database_url, **{name: time - timedelta(days=9) for name, time in WINDOW.items()})
    assert (empty.events, empty.requests) == (0, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shard": 2, "shards": 2}, "shard 2 of 2"),
        ({"shard": 0, "shards": 0}, "shard 0 of 0"),
        ({"parts": 0}, "in 0 parts each"),
        ({"shards": 2, "parts": 40_000}, "1 to 65536 parts in all"),
        ({"start": datetime(2026, 11, 20)}, "start has no time zone"),
        ({"end": DAY}, "does not hold the day"),
    ],
)
def test_windows_that_make_no_sense(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read("postgresql://nobody@127.0.0.1:1/none", **{**WINDOW, "shard": 0, "shards": 1, **change})


def test_writers_never_wait_for_a_partition(database_url: str, tmp_path: Path) -> None:
    insert = (
        "INSERT INTO echo.completion_events"
        " (event_id, kind, occurred_at, received_at, user_id, session_id, document_id, seq, offset_unit)"
        " SELECT gen_random_uuid(), 'opened', at, at, 'u', 's', 'd', 0, 'utf-8' FROM unnest(%s::timestamptz[]) AS at"
    )
    times = [DAY, DAY + timedelta(hours=23, minutes=59), DAY + timedelta(days=1), DAY - timedelta(microseconds=1)]
    _run(database_url, insert, times)
    where = "SELECT tableoid::regclass::text, count(*) FROM echo.completion_events GROUP BY 1 ORDER BY 1"
    assert _run(database_url, where) == [("echo.completion_events_default", 4)]
    assert _run(database_url, "SELECT echo.make_partition(%s)", DAY.date()) == [(True,)]
    assert _run(database_url, "SELECT echo.make_partition(%s)", DAY.date()) == [(False,)]
    moved = [("echo.completion_events_20261120", 2), ("echo.completion_events_default", 2)]
    assert _run(database_url, where) == moved
    _run(database_url, insert, [DAY])
    assert _run(database_url, where)[0] == ("echo.completion_events_20261120", 3)
    assert _run(database_url, "SELECT echo.drop_partition(%s)", DAY.date()) == [(True,)]
    assert _run(database_url, "SELECT echo.drop_partition(%s)", DAY.date()) == [(False,)]
    assert _run(database_url, where) == moved[1:]


def test_a_day_cut_into_ranges_holds_a_document_in_one_of_them(database_url: str, tmp_path: Path) -> None:
    early = _document("early")
    columns = ", ".join(EVENTS.names)
    _run(
        database_url,
        f"INSERT INTO echo.completion_events ({columns}) "
        f"SELECT {columns} FROM json_populate_recordset(NULL::echo.completion_events, %s)",
        json.dumps([{**row, "edits": json.loads(row["edits"] or "null")} for row in early], default=str),
    )
    assert _run(database_url, "SELECT echo.make_partition(%s, 8)", DAY.date()) == [(True,)]
    names = [f"document {number}" for number in range(60)]
    load(database_url, [_file(tmp_path / "a.parquet", [row for name in names for row in _document(name)])])
    assert count(database_url, **WINDOW) == Counted(events=305, requests=122, ranges=8)
    where = "SELECT count(*), count(DISTINCT table_), count(DISTINCT document_id || table_) FROM (SELECT document_id, "
    where += "tableoid::regclass::text AS table_ FROM echo.completion_events) AS found"
    assert _run(database_url, where) == [(305, 8, 61)]
    whole = _all(database_url)
    assert whole.num_rows == 305
    for shards, parts in ((1, 8), (3, 5)):
        found = [part for shard in range(shards) for part in _parts(database_url, shard, shards, parts)]
        assert len(found) == shards * parts
        assert sum(len(set(part["document_id"].to_pylist())) for part in found) == 61
        assert pa.concat_tables(found).sort_by(ORDER).equals(whole)
    assert _run(database_url, "SELECT echo.drop_partition(%s)", DAY.date()) == [(True,)]
    left = "SELECT relname FROM pg_class WHERE relname LIKE 'completion_events_2%%'"
    assert (count(database_url, **WINDOW).events, _run(database_url, left)) == (0, [])


@pytest.mark.parametrize("ranges", [0, 3, 2048])
def test_ranges_that_do_not_divide_the_buckets_are_refused(database_url: str, ranges: int) -> None:
    with pytest.raises(psycopg2.errors.RaiseException, match=f"into {ranges} ranges; wanted is a power of two"):
        _run(database_url, "SELECT echo.make_partition(%s, %s)", DAY.date(), ranges)


def test_a_day_is_cut_as_the_days_before_it_were_large(database_url: str) -> None:
    assert _run(database_url, "SELECT echo.make_partition(%s)", DAY.date()) == [(True,)]
    _run(
        database_url,
        "INSERT INTO echo.completion_events"
        " (event_id, kind, occurred_at, received_at, user_id, session_id, document_id, seq, prefix, offset_unit)"
        " SELECT gen_random_uuid(), 'opened', %s, %s, 'u', 's', 'd', n,"
        " (SELECT string_agg(md5(n || '/' || m), '') FROM generate_series(1, 200) AS m), 'utf-8'"
        " FROM generate_series(1, 6000) AS n",
        DAY,
        DAY,
    )
    ranges = [(f"2026-{month}-{day:02}", wanted) for month, day, wanted in ((11, 21, 2), (12, 4, 2), (12, 5, 1))]
    for day, wanted in ranges:
        assert _run(database_url, "SELECT echo.ranges_for(%s)", day) == [(wanted,)]
    assert _run(database_url, "SELECT echo.make_partition('2026-11-21')") == [(True,)]
    window = {name: time + timedelta(days=1) for name, time in WINDOW.items()}
    assert count(database_url, **window).ranges == 2


def test_a_partition_is_made_while_another_day_is_written_and_read(database_url: str, tmp_path: Path) -> None:
    load(database_url, [_file(tmp_path / "a.parquet", _document("a"))])
    with closing(psycopg2.connect(database_url)) as busy, busy.cursor() as cursor:
        cursor.execute("UPDATE echo.completion_events SET cause = 'x' WHERE received_at >= %s AND received_at < %s",
                       (DAY, DAY + timedelta(days=1)))  # fmt: skip
        assert cursor.rowcount == 5
        limited = "SET statement_timeout = '5s'; SELECT echo.make_partition('2026-11-25')"
        assert _run(database_url, limited) == [(True,)]


def test_roles_need_no_more_than_the_documentation_says(database_url: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations" / "postgres.md").read_text()
    grants = text.split("```sql")[1].split("```")[0]
    suffix = os.urandom(4).hex()
    name = database_url.rpartition("/")[2]
    grants = grants.replace("echo_writer", f"writer_{suffix}").replace("echo_reader", f"reader_{suffix}")
    grants = grants.replace("DATABASE events", f"DATABASE {name}").replace("'…'", "'x'")
    file = _file(tmp_path / "a.parquet", [*_document("a"), _event("b", 0, "?")])
    try:
        _run(database_url, grants)
        at = database_url.split("@")[1]
        writer, reader = (f"postgresql://{role}_{suffix}:x@{at}" for role in ("writer", "reader"))
        assert load(writer, [file]).loaded == 5
        assert load(writer, [file]).repeated == 5
        assert _all(reader).num_rows == 5
        assert count(reader, **WINDOW).requests == 2
        assert days(reader) == [DAY.date()]
        current(reader)
        with pytest.raises(InputError, match=r"permission denied .*; grant it"):
            load(reader, [file])
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            _run(writer, "SELECT echo.drop_partition('2026-11-20')")
    finally:
        for role in ("writer", "reader"):
            _run(database_url, f"DROP OWNED BY {role}_{suffix}; DROP ROLE {role}_{suffix}")


def test_migrations_are_applied_once_and_may_not_change(empty_database_url: str, tmp_path: Path) -> None:
    url = empty_database_url
    first, second = tmp_path / "0001_one.sql", tmp_path / "0002_two.sql"
    first.write_text("CREATE TABLE echo.one (x int)")
    second.write_text("CREATE TABLE echo.two (x int); SELECT 1/0")
    with pytest.raises(InputError, match=r"0 of 2 migrations, and 0001_one is next; run `echo-ops migrate`"):
        current(url, [first, second])
    assert migrate(url, [first]) == ["0001_one"]
    with pytest.raises(Exception, match="SQLSTATE 22012"):
        migrate(url, [first, second])
    assert _run(url, "SELECT to_regclass('echo.two')::text") == [(None,)], "half a migration is none"
    second.write_text("CREATE TABLE echo.two (x int)")
    assert migrate(url, [first, second]) == ["0002_two"]
    assert migrate(url, [first, second]) == []
    current(url, [first, second])
    with pytest.raises(InputError, match="has 2 migrations, this version knows 1"):
        current(url, [first])
    first.write_text("CREATE TABLE echo.one (x bigint)")
    for refused in (migrate, current):
        with pytest.raises(InputError, match=r"migration 0001_one was applied with SHA-256 .* restore the file"):
            refused(url, [first, second])


def test_migrations_at_once(empty_database_url: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty_database_url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, applied))[:2] == [0, 0]
    assert max(applied)[0] == "0001_completion_events"
    current(empty_database_url)


def test_a_database_without_the_schema(empty_database_url: str, tmp_path: Path) -> None:
    file = _file(tmp_path / "a.parquet", _document("a"))
    for use in (lambda url: load(url, [file]), _all, days, lambda url: count(url, **WINDOW), current):
        with pytest.raises(InputError, match="run `echo-ops migrate`"):
            use(empty_database_url)


def test_a_server_that_is_away_or_refuses(database_url: str, tmp_path: Path) -> None:
    file = _file(tmp_path / "a.parquet", _document("a"))
    password = database_url.split(":")[2].split("@")[0]
    away = f"postgresql://echo_ops:{password}@127.0.0.1:1/x"
    wrong = database_url.replace(password, "not-the-password")
    nowhere = database_url.rpartition("/")[0] + "/nowhere"
    for use in (lambda url: load(url, [file]), _all, days, migrate, current):
        with pytest.raises(
            UnavailableError, match=r"127\.0\.0\.1:1/x as echo_ops does not answer: .*refused"
        ) as caught:
            use(away)
        assert password not in str(caught.value)
        with pytest.raises(InputError, match="password authentication failed") as refused:
            use(wrong)
        assert "not-the-password" not in str(refused.value)
        with pytest.raises(InputError, match='database "nowhere" does not exist'):
            use(nowhere)


def test_a_server_that_goes_away_meanwhile(database_url: str, tmp_path: Path) -> None:
    file = _file(tmp_path / "a.parquet", _document("a"))
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'echo-ops' AND datname = %s"
    name = database_url.rpartition("/")[2]

    def cut(done: int, _of: int) -> None:
        if done:
            _run(database_url, end, name)

    with pytest.raises(UnavailableError):
        load(database_url, [file], cut)
    assert _run(database_url, "SELECT count(*) FROM echo.completion_events") == [(0,)]


needs_compiler = pytest.mark.skipif(not compiled(), reason="no C compiler was there when the package was installed")


@pytest.fixture(params=[pytest.param("0", id="compiled", marks=needs_compiler), pytest.param("1", id="adbc")])
def copy_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of reading."""
    monkeypatch.setenv("ECHO_PURE_PYTHON", request.param)


FOUND = pa.schema([("text", pa.string()), ("number", pa.int64()), ("time", TIMESTAMP)])
NUMBERS = """
    SELECT CASE WHEN n % 3 > 0 THEN repeat('é', n) END AS text, -n::bigint AS number,
           CASE WHEN n % 5 > 0 THEN timestamptz '1969-12-31 23:59:59.999999Z' + n * interval '1 day' END AS time
    FROM generate_series(0, 999) AS n"""


@pytest.mark.usefixtures("copy_by")
def test_one_query_after_the_other_in_batches(database_url: str) -> None:
    streams = copied(
        database_url, [NUMBERS, "SELECT 'ü', 1::bigint, NULL::timestamptz WHERE false", NUMBERS], FOUND, 9999
    )
    start = datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    expected = [
        {
            "text": "é" * n if n % 3 else None,
            "number": -n,
            "time": start + timedelta(days=n) if n % 5 else None,
        }
        for n in range(1000)
    ]
    for rows in (expected, [], expected):
        batches = list(next(streams))
        assert pa.Table.from_batches(batches, FOUND).to_pylist() == rows
        assert len(batches) > 50 or not rows
        for batch in batches:
            batch.validate(full=True)
    assert next(streams, None) is None


@pytest.mark.usefixtures("copy_by")
@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("SELECT 'a' AS text, 1::bigint / (n - 500) AS number, now() AS time FROM generate_series(0, 999) AS n",
         EchoError, "refused a statement of ours with SQLSTATE"),
        ("SELECT text FROM echo.nothing", InputError, "run `echo-ops migrate`"),
        ("SELECT 'a' AS text, n::bigint AS number, now() AS time FROM generate_series(0, 999) AS n "
         "WHERE CASE n WHEN 500 THEN pg_terminate_backend(pg_backend_pid()) ELSE true END",
         UnavailableError, r"broke off \(57P01\)"),
    ],
)  # fmt: skip
def test_a_query_that_fails_is_told_in_our_words(
    database_url: str, query: str, error: type[EchoError], message: str
) -> None:
    password = database_url.split(":")[2].split("@")[0]
    with pytest.raises(error, match=message) as caught:
        [list(stream) for stream in copied(database_url, [query], FOUND, 999)]
    assert password not in str(caught.value)


@needs_compiler
def test_rows_that_do_not_fit_are_refused(database_url: str) -> None:
    streams = copied(database_url, ["SELECT n::text, true, now() FROM generate_series(0, 9) AS n"], FOUND, 999)
    with pytest.raises(InputError, match="row 0: a number has not 2, 4 or 8 bytes"):
        list(next(streams))


@needs_compiler
def test_a_stream_whose_connection_was_closed_fails(database_url: str) -> None:
    streams = copied(database_url, [NUMBERS], FOUND, 999)
    stream = next(streams)
    streams.close()
    with pytest.raises(UnavailableError):
        list(stream)


@needs_compiler
def test_both_ways_of_reading_give_the_same(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.parquet", days=1, users=3, seed=5)
    load(database_url, [tmp_path / "a.parquet"])
    day = days(database_url)[0]
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    window = {
        "start": start,
        "day_start": start,
        "day_end": start + timedelta(days=1),
        "end": start + timedelta(days=2),
    }

    def all_rows(pure: str) -> pa.Table:
        monkeypatch.setenv("ECHO_PURE_PYTHON", pure)
        parts = read(database_url, **window, shard=0, shards=1, parts=3)
        found = pa.Table.from_batches([batch for part in parts for batch in part], EVENTS)
        return found.sort_by([*ORDER, ("event_id", "ascending")]).combine_chunks()

    compiled_rows = all_rows("0")
    assert compiled_rows.num_rows > 500
    assert compiled_rows.equals(all_rows("1"))


def test_real_sessions_come_back_whole(database_url: str) -> None:
    default = Path(__file__).parents[2].parent / "shared" / "data" / "real-traces"
    files = sorted(Path(os.environ.get("ECHO_REAL_TRACES", default)).glob("*.events.parquet"))
    if not files:
        pytest.skip("no real sessions here")
    for file in files:
        _run(database_url, "DELETE FROM echo.completion_events; DELETE FROM echo.events_seen")
        table = pq.read_table(file)
        counts = load(database_url, [file])
        assert (counts.loaded, counts.repeated, counts.rejected) == (table.num_rows, 0, {})
        window = {"start": datetime(2020, 1, 1, tzinfo=UTC), "day_start": datetime(2020, 1, 1, tzinfo=UTC)}
        window |= {"day_end": datetime(2099, 1, 1, tzinfo=UTC), "end": datetime(2099, 1, 1, tzinfo=UTC)}
        assert count(database_url, **window).requests == sum(kind == "requested" for kind in table["kind"].to_pylist())
        requested = set(table.filter(pa.compute.equal(table["kind"], "requested"))["document_id"].to_pylist())
        order = [("document_id", "ascending"), ("seq", "ascending"), ("event_id", "ascending")]
        wanted = table.filter(pa.compute.is_in(table["document_id"], pa.array(list(requested)))).sort_by(order)
        found = _parts(database_url, **window)[0].sort_by(order)
        for name in EVENTS.names:
            if name == "edits":
                loads = [[value and json.loads(value) for value in t[name].to_pylist()] for t in (found, wanted)]
                assert loads[0] == loads[1]
            else:
                assert found[name].to_pylist() == wanted[name].to_pylist()

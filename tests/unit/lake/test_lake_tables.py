from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from echo_ops.errors import InputError, UnavailableError
from echo_ops.lake.tables import Lake, batches_of
from echo_ops.schema.examples import DROPPED

MONDAY, TUESDAY = date(2026, 11, 2), date(2026, 11, 3)


def dropped(*ids: str) -> pa.Table:
    return pa.table(
        {
            "request_id": ids,
            "stage": ["curation"] * len(ids),
            "reason": ["too_long"] * len(ids),
            "detail": [None] * len(ids),
        },
        schema=DROPPED,
    )


def ids(lake: Lake, **how: object) -> list[str]:
    return sorted(i for batch in lake.read("dropped", **how) for i in batch["request_id"].to_pylist())  # type: ignore[arg-type]


def publish(lake: Lake, day: date, rows: pa.Table) -> int:
    return lake.publish(day, "dropped", DROPPED, batches_of(rows))


def test_a_day_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    publish(lake, MONDAY, dropped("a", "b"))
    publish(lake, TUESDAY, dropped("c"))
    version = publish(lake, MONDAY, dropped("d"))
    assert ids(lake) == ["c", "d"]
    assert ids(lake, days=[MONDAY]) == ["d"]
    assert ids(lake, version=version - 1) == ["a", "b", "c"]
    assert lake.versions() == {"dropped": version}


def test_a_day_can_become_empty(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    publish(lake, MONDAY, dropped("a"))
    publish(lake, MONDAY, dropped())
    assert ids(lake) == []


def test_rows_can_be_chosen_by_value(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    publish(lake, MONDAY, dropped("a", "b"))
    assert ids(lake, equal={"request_id": "b"}) == ["b"]


def test_a_table_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    assert ids(lake) == []
    assert lake.days() == []


def test_staging_gives_back_the_same_rows_and_the_same_hash(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    first = lake.stage(MONDAY, "dropped", 0, dropped("a", "b"))
    again = lake.stage(MONDAY, "dropped", 0, dropped("a", "b"))
    assert first == again
    assert lake.staged(MONDAY, "dropped", 0, first).equals(dropped("a", "b"))


def test_staged_bytes_of_another_run_are_refused(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    mine = lake.stage(MONDAY, "dropped", 0, dropped("a"))
    lake.stage(MONDAY, "dropped", 0, dropped("b"))
    with pytest.raises(InputError, match="another run"):
        lake.staged(MONDAY, "dropped", 0, mine)


def test_a_shard_that_is_not_staged_is_named(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.stage(MONDAY, "dropped", 0, dropped("a"))
    lake.discard_staged(MONDAY)
    with pytest.raises(InputError, match=f"shard 0 of dropped of {MONDAY} is not staged"):
        lake.staged(MONDAY, "dropped", 0)


def test_a_lake_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be")
    lake = Lake(str(tmp_path / "lake"))
    with pytest.raises(UnavailableError, match=r"cannot be written.*ECHO_LAKE_URI"):
        lake.stage(MONDAY, "dropped", 0, dropped("a"))
    with pytest.raises(UnavailableError, match=r"cannot be written.*ECHO_LAKE_URI"):
        publish(lake, MONDAY, dropped("a"))


def test_only_the_house_s_tables(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="secrets is no table of the lake"):
        Lake(str(tmp_path)).publish(MONDAY, "secrets", DROPPED, [])


def test_an_error_of_the_rows_source_is_not_blamed_on_the_lake(tmp_path: Path) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield from batches_of(dropped("a"))
        raise InputError("shard 3 is not staged")

    lake = Lake(str(tmp_path / "lake"))
    with pytest.raises(InputError, match="shard 3 is not staged"):
        lake.publish(MONDAY, "dropped", DROPPED, rows())
    assert ids(lake) == []


def test_parts_are_staged_and_come_back_as_parts(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with lake.staging(MONDAY, 0, ["dropped", "other"]) as staging:
        for part in (dropped(), dropped("a", "b"), dropped(), dropped("c")):
            staging.write("dropped", part)
        staging.write("other", dropped())
    whole = lake.staged(MONDAY, "dropped", 0, staging.hashes["dropped"])
    assert whole.equals(dropped("a", "b", "c"))
    parts = lake.staged_parts(MONDAY, "dropped", 0, staging.hashes["dropped"])
    assert [part["request_id"].to_pylist() for part in parts if part.num_rows] == [["a", "b"], ["c"]]
    (empty,) = lake.staged_parts(MONDAY, "other", 0, staging.hashes["other"])
    assert empty.equals(dropped())


def test_parts_take_their_place_together_or_not_at_all(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    before = lake.stage(MONDAY, "dropped", 0, dropped("a"))
    with suppress(ZeroDivisionError), lake.staging(MONDAY, 0, ["dropped"]) as staging:
        staging.write("dropped", dropped("b"))
        raise ZeroDivisionError
    assert lake.staged(MONDAY, "dropped", 0, before).equals(dropped("a"))

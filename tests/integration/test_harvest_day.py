"""A day's harvest on a real Postgres and a real lake: repeated, killed, and stopped."""

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from echo_ops.errors import EchoError, InputError, QualityError, UnavailableError
from echo_ops.events.load import load as load_events
from echo_ops.events.postgres import connect
from echo_ops.lake.tables import TABLES, Lake, Staging
from echo_ops.pipeline import extract as steps
from echo_ops.pipeline import spill
from echo_ops.pipeline.database import database
from echo_ops.pipeline.harvest import harvest, published
from echo_ops.settings import Harvest, Quality, Settings
from echo_ops.settings import Lake as LakeSection
from echo_ops.simulate.simulate import write

DAY = date(2026, 11, 2)
CLEAN = multiprocessing.get_context("forkserver")
"""Each process is forked from one that has imported what takes seconds, and has done nothing yet."""
CLEAN.set_forkserver_preload(["great_expectations", "echo_ops.pipeline.harvest", "deltalake", "tree_sitter"])


@pytest.fixture(scope="module")
def events_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("events") / "events.parquet"
    write(file, None, days=1, users=3, seed=5, start=DAY)
    return file


@pytest.fixture
def settings(database_url: str, events_file: Path, tmp_path: Path) -> Settings:
    load_events(database_url, [events_file])
    shaped = Settings(home=tmp_path, harvest=Harvest(shard_events=800, processes=1)).with_postgres(database_url)
    assert steps.plan(DAY, shaped).shards >= 2
    return shaped


def in_a_process(work: Callable[..., object], *arguments: object) -> int:
    """Runs ``work`` in a process of its own; gives its exit status, negative when it was killed."""
    process = CLEAN.Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def rows_of(settings: Settings, table: str) -> str:
    """Hash of a table's rows, whatever their order and their files."""
    batches = list(Lake(settings.lake_uri).read(table))
    rows = sorted(json.dumps(row, default=str, sort_keys=True) for batch in batches for row in batch.to_pylist())
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def contents(settings: Settings) -> dict[str, str]:
    """Hash of the rows of each table."""
    return {table: rows_of(settings, table) for table in TABLES}


def test_a_day_is_published_whole_and_a_second_run_changes_nothing(settings: Settings) -> None:
    assert in_a_process(harvest, DAY, settings) == 0
    first = contents(settings)
    manifest = published(settings)[DAY]
    assert manifest.rows["requests"] == manifest.rows["lifecycles"] > 100
    assert manifest.rows["kept"] > 20
    assert manifest.rows["lifecycles"] == manifest.rows["kept"] + sum(manifest.dropped.values())
    assert in_a_process(harvest, DAY, settings) == 0
    assert contents(settings) == first
    assert not list((settings.home / "lake" / "_staging").rglob("*.parquet"))


def test_killed_at_any_write_a_rerun_gives_the_same_rows(settings: Settings, tmp_path: Path) -> None:
    assert in_a_process(harvest, DAY, settings) == 0
    wanted = contents(settings)
    for method, tables in (
        ("stage", ("lifecycles", "lifecycles_profile", "verdicts", "examples")),
        ("publish", TABLES),
    ):
        for table in tables:
            fresh = settings.model_copy(update={"lake": LakeSection(uri=str(tmp_path / f"{method}-{table}"))})
            assert in_a_process(killed_at, method, table, fresh) == -signal.SIGKILL
            assert in_a_process(harvest, DAY, fresh) == 0
            assert contents(fresh) == wanted, f"killed at {method} of {table}"


def killed_at(method: str, table: str, settings: Settings) -> None:
    """Harvest, and die without a word in the middle of writing ``table``."""
    owner, name = (Staging, "write") if method == "stage" else (Lake, "publish")
    write_rows = getattr(owner, name)

    def die_afterwards(self: object, *given: object) -> object:
        written = write_rows(self, *given)
        if table in given:
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    setattr(owner, name, die_afterwards)
    harvest(DAY, settings)


@pytest.mark.parametrize(
    ("work", "processes"), [("harvest", 2), ("harvest_in_small_buckets", 1), ("harvest_in_ranges", 1)]
)
def test_however_a_day_is_worked_on_its_rows_are_the_same(settings: Settings, work: str, processes: int) -> None:
    assert in_a_process(harvest, DAY, settings) == 0
    wanted = contents(settings)
    harvest_settings = settings.harvest.model_copy(update={"processes": processes})
    place = LakeSection(uri=str(settings.home / "other"))
    other = settings.model_copy(update={"lake": place, "harvest": harvest_settings})
    assert in_a_process(globals()[work], DAY, other) == 0
    found = contents(other)
    assert all(found[table] == wanted[table] for table in TABLES if table != "days"), "days holds hashes of files"
    assert not list(settings.home.glob("spill-*"))


def harvest_in_small_buckets(day: date, settings: Settings) -> None:
    """Harvest, with buckets so small that a shard is spilled."""
    spill.BUCKET_EVENTS, steps.PART_EVENTS = 300, 100
    harvest(day, settings)


def harvest_in_ranges(day: date, settings: Settings) -> None:
    """Harvest after the day's table was cut into ranges, each of which is read in several parts."""
    steps.PART_EVENTS = 100
    with database(settings) as url, connect(url) as connection, connection.cursor() as cursor:
        of_day = f"completion_events_{day:%Y%m%d}"
        cursor.execute(f"CREATE TEMPORARY TABLE kept AS SELECT * FROM echo.{of_day}")
        cursor.execute("SELECT echo.drop_partition(%s), set_config('echo.events_claimed', 'on', true)", (day,))
        cursor.execute("SELECT echo.make_partition(%s, 4)", (day,))
        cursor.execute("INSERT INTO echo.completion_events SELECT * FROM kept")
    assert steps.plan(day, settings).parts > 1
    harvest(day, settings)


def fails_with(settings: Settings, day: date = DAY) -> tuple[type[EchoError], str]:
    """The error of a harvest."""
    with pytest.raises(EchoError) as error:
        harvest(day, settings)
    return type(error.value), str(error.value)


def test_a_day_without_events_is_said_and_not_published(settings: Settings) -> None:
    kind, message = fails_with(settings, date(2026, 12, 24))
    assert kind is QualityError
    assert "2026-12-24: 0 requests" in message
    assert not (settings.home / "lake").exists()


def test_a_database_that_is_down_is_said_without_its_password(settings: Settings) -> None:
    down = settings.with_postgres("postgresql://echo:hunter2@127.0.0.1:9/echo")
    kind, message = fails_with(down)
    assert kind is UnavailableError
    assert "127.0.0.1" in message
    assert "hunter2" not in message


def test_a_lake_that_cannot_be_written_is_said(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kind, message = fails_with(settings.model_copy(update={"lake": LakeSection(uri=str(tmp_path / "file" / "lake"))}))
    assert kind is UnavailableError
    assert "ECHO_LAKE_URI" in message


def test_a_critical_failure_leaves_the_published_day_as_it_was(settings: Settings) -> None:
    assert in_a_process(harvest, DAY, settings) == 0
    before = contents(settings)
    strict = settings.model_copy(update={"quality": Quality(min_events=10**9)})
    kind, message = fails_with(strict)
    assert kind is QualityError
    assert f"{10**9:,}" in message
    assert not list((settings.home / "lake" / "_staging").rglob("*.parquet"))
    assert contents(settings) == before


def test_the_policy_shapes_the_lifecycles_and_is_kept_with_them(settings: Settings) -> None:
    strict = settings.model_copy(update={"harvest": settings.harvest.model_copy(update={"policy": "strict"})})
    assert in_a_process(harvest, DAY, strict) == 0
    batches = list(Lake(strict.lake_uri).read("lifecycles", columns=["policy"]))
    assert set(pa.Table.from_batches(batches)["policy"].to_pylist()) == {"strict"}


def test_a_table_that_lacks_a_column_is_refused_before_anything_is_written(
    database_url: str, events_file: Path, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    broken = tmp_path / "broken.parquet"
    pq.write_table(pq.read_table(events_file).drop_columns(["seq", "document_id"]), broken)
    with pytest.raises(InputError, match=r"document_id.*seq|seq.*document_id"):
        load_events(database_url, [broken])

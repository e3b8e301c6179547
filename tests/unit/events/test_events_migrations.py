"""The migrations as files: their names, and what belongs together in code and SQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from echo_ops import sql
from echo_ops.errors import InputError
from echo_ops.events.migrate import known
from echo_ops.schema.events import KINDS, OFFSET_UNITS


def test_the_shipped_migrations_are_in_order() -> None:
    assert [migration.number for migration in known()] == list(range(1, len(sql.migrations()) + 1))
    assert known()[0].name == "0001_completion_events"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0001_a.sql", "0003_c.sql"], "0003_c has number 3, expected is 0002"),
        (["0001_a.sql", "0001_b.sql"], "0001_b has number 1, expected is 0002"),
        (["0002_a.sql"], "expected is 0001"),
        (["1_a.sql"], "1_a.sql is no name of a migration"),
        (["0001-a.sql"], "0001-a.sql is no name of a migration"),
    ],
)
def test_names_that_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    files = [tmp_path / name for name in names]
    for file in files:
        file.write_text("SELECT 1")
    with pytest.raises(InputError, match=message):
        known(files)


def test_the_table_knows_the_kinds_and_units_of_the_schema() -> None:
    text = known()[0].text
    for value in (*KINDS, *OFFSET_UNITS):
        assert f"'{value}'" in text


def test_every_statement_is_named_in_the_code() -> None:
    code = "".join(path.read_text() for path in Path(sql.__file__).parent.rglob("*.py"))
    for file in (sql.FOLDER / "queries").glob("*.sql"):
        assert f'"{file.stem}"' in code, f"{file.name} is used by nobody"

"""Where the SQL lies: ``sql/`` of the repository, or ``echo_ops/_sql`` of an installed wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
FOLDER = next(folder for folder in (_PACKAGE / "_sql", _PACKAGE.parent / "sql") if folder.is_dir())


@cache
def statement(name: str) -> str:
    """The text of ``queries/<name>.sql``; values are bound by the driver, never put into it by us."""
    return (FOLDER / "queries" / f"{name}.sql").read_text()


def migrations() -> list[Path]:
    """The files ``migrations/NNNN_*.sql``, in order of their names."""
    return sorted((FOLDER / "migrations").glob("*.sql"))

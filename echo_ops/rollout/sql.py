"""The SQL of the rollout: ``sql/queries/rollout_*.sql`` of the repository, or of an installed wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDER = next(folder for folder in (_PACKAGE / "_sql", _PACKAGE.parent / "sql") if folder.is_dir()) / "queries"


@cache
def statement(name: str) -> str:
    """The text of ``rollout_<name>.sql``; values are bound by the driver."""
    return (_FOLDER / f"rollout_{name}.sql").read_text()

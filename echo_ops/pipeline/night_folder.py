"""The folder of a night: what each step leaves there for the next, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from echo_ops.errors import InputError
from echo_ops.settings import Settings


def folder_of(settings: Settings, day: date) -> Path:
    """Everything of a night lies here."""
    return settings.home.absolute() / "training" / day.isoformat()


def get(path: Path) -> dict[str, Any]:
    """A record that an earlier step has left.

    Raises:
        InputError: it has not.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path} is missing: an earlier step of this night did not end; run the night again") from None
    return content


def put(path: Path, record: Any) -> None:
    """Leave a record, a dataclass."""
    path.write_text(_json(record))


def holds(path: Path, record: Any) -> bool:
    """Whether this very record was left."""
    return path.exists() and path.read_text() == _json(record)


def _json(record: Any) -> str:
    return json.dumps(asdict(record), indent=2, sort_keys=True) + "\n"

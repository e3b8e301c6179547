"""The events of a table as Python lists. Compiled, so that looking a value up costs no search for its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from echo_ops.lifecycle.edits import Edit

CODE_POINT: Final = "code-point"


@dataclass(frozen=True)
class Columns:
    """The events of a table, one entry a row, in the table's order; times in microseconds."""

    kind: list[str]
    occurred_at: list[int]
    received_at: list[int]
    user_id: list[str]
    seq: list[int]
    version: list[int | None]
    request_id: list[str | None]
    caret: list[int | None]
    document_length: list[int | None]
    prefix: list[str | None]
    suffix: list[str | None]
    edits: list[list[Edit] | None]
    cause: list[str | None]
    proposal: list[str | None]
    replace_start: list[int | None]
    replace_end: list[int | None]
    offset_unit: list[str]


@dataclass(frozen=True)
class DocumentRows:
    """The events of one document, each once, by ``seq``."""

    rows: list[int]  # in the portion
    several: bool  # more than one user
    converted: bool  # offsets are not all in code points

"""The events of a table as Python lists. Compiled, so that looking a value up costs no search for its name."""

from __future__ import annotations

from dataclasses import dataclass

from echo_ops.lifecycle.edits import Edit


@dataclass(frozen=True)
class Columns:
    """The events of a table, one entry a row, in the table's order; times in microseconds."""

    kind: list[str]
    occurred_at: list[int]
    user_id: list[int]  # a number for each
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


class DocumentRows:
    """The events of one document, each once, by ``seq``. A plain class for mypyc's sake, as those of ``states``.

    Args:
        start: its first row in the portion.
        stop: the row after its last.
        several: whether there is more than one user.
        unit: of its offsets.
        received_at: when the last of its events was, in microseconds.
    """

    __slots__ = ("received_at", "several", "start", "stop", "unit")

    def __init__(self, start: int, stop: int, several: bool, unit: str, received_at: int) -> None:
        self.start = start
        self.stop = stop
        self.several = several
        self.unit = unit
        self.received_at = received_at

"""The record that a step leaves: small, frozen, and the only thing that passes between Airflow tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a step did, without anything that another run of the same step would not repeat.

    Written by each step of ``pipeline``; read by the steps after it, by the ``days`` table and by the demo.
    """

    step: str
    day: str
    shard: int | None = None
    shards: int = 1
    parts: int = 1  # of a shard, read one after the other
    rows: dict[str, int] = field(default_factory=dict)  # table → rows
    dropped: dict[str, int] = field(default_factory=dict)  # reason → rows
    versions: dict[str, int] = field(default_factory=dict)  # table → Delta version
    hashes: dict[str, str] = field(default_factory=dict)  # table → hash of its rows
    notes: tuple[str, ...] = ()  # what a person should know, e.g. warnings

    def to_dict(self) -> dict[str, Any]:
        """As plain data, fit for XCom and JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Manifest:
        """The inverse of ``to_dict``."""
        return cls(**{**data, "notes": tuple(data.get("notes", ()))})

    def to_json(self) -> str:
        """One line, keys sorted: the same manifest gives the same bytes."""
        return json.dumps(self.to_dict(), sort_keys=True)


def add(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Counts of several shards, added up, keys sorted."""
    total: dict[str, int] = {}
    for count in counts:
        for key, value in count.items():
            total[key] = total.get(key, 0) + value
    return dict(sorted(total.items()))

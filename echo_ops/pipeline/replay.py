"""What other thresholds would have kept of a published day: from its scores, without the texts and the teacher."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from echo_ops.curation import curate
from echo_ops.errors import InputError
from echo_ops.lake.tables import Lake
from echo_ops.schema.scores import SCORES
from echo_ops.settings import Curation, Settings

OF_TEXT = frozenset({"evaluation_sets"})
"""Settings that only a harvest can look at: they need the texts."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What some thresholds make of a day."""

    dropped: dict[str, int]  # reason → rows
    kept: dict[str, int]  # language → lessons


@dataclass(frozen=True, slots=True)
class Replayed:
    """A day as it was harvested, and as it would be. Written by ``replay``, read by ``report``."""

    day: str
    lifecycles: int
    changes: dict[str, Any]
    harvested: Outcome
    replayed: Outcome


def replay(day: date, changes: Iterable[str], settings: Settings) -> Replayed:
    """Decide a day anew.

    Args:
        day: a published day.
        changes: ``NAME=VALUE`` each, NAME a setting of the section ``curation``, VALUE JSON or plain text.
        settings: where the lake is.

    Raises:
        InputError: the day is not published, or a change names no such setting or a value out of its limits.
    """
    lake = Lake(settings.lake_uri)
    harvested_with = _harvested_with(lake, day)
    names = dict(_change(change) for change in changes)
    scores = pa.Table.from_batches(lake.read("scores", [day], SCORES.names), schema=SCORES)
    if scores.num_rows == 0:
        raise InputError(
            f"{day} has no scores: it was published before they were kept; run echo-ops harvest --day {day}"
        )
    return Replayed(
        day.isoformat(),
        scores.num_rows,
        names,
        _outcome(scores, harvested_with),
        _outcome(scores, _changed(harvested_with, names)),
    )


def _harvested_with(lake: Lake, day: date) -> Curation:
    """The settings with which a day was published."""
    for batch in lake.read("days", [day], ["settings"]):
        for text in batch["settings"].to_pylist():
            saved = json.loads(text)["curation"]
            return Curation(**{name: value for name, value in saved.items() if name in Curation.model_fields})
    raise InputError(f"{day} is not published in the lake at {lake.uri}; run echo-ops harvest --day {day} first")


def _change(change: str) -> tuple[str, Any]:
    name, sign, value = change.partition("=")
    name = name.strip().lower().removeprefix("echo_").removeprefix("curation_").removeprefix("curation.")
    if not sign or name not in Curation.model_fields or name in OF_TEXT:
        known = ", ".join(sorted(set(Curation.model_fields) - OF_TEXT))
        raise InputError(f"--set {change}: wanted is NAME=VALUE with NAME one of {known}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _changed(curation: Curation, changes: dict[str, Any]) -> Curation:
    try:
        return Curation(**(curation.model_dump() | changes))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise InputError(f"--set {name}={changes.get(name)}: {first['msg']}") from None


def _outcome(scores: pa.Table, settings: Curation) -> Outcome:
    kept, dropped = curate.replay(scores, settings)
    language_of = dict(zip(scores["request_id"].to_pylist(), scores["language"].to_pylist(), strict=True))
    languages = Counter(language_of[request_id] or "unknown" for request_id in kept["request_id"].to_pylist())
    return Outcome(dict(Counter(dropped["reason"].to_pylist())), dict(languages))

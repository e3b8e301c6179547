"""The first step of a night: which lessons are learned, and which held-out requests are compared on.

Lessons of the window of days, older ones against forgetting, and rows of a static set where one is named; none of them
twice, none of them held out. Compared is on the days after them, and on users of whom nothing was learned, each where
there are enough (docs/decisions/0010). Chosen by keys alone, then streamed into the night's folder.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from echo_ops.errors import InputError
from echo_ops.lake.tables import Lake
from echo_ops.pipeline.night_folder import folder_of, holds, put
from echo_ops.schema.examples import EXAMPLES
from echo_ops.settings import Settings

KEYS = pa.schema([EXAMPLES.field("request_id"), EXAMPLES.field("user_id")])

ENOUGH_STRANGERS = 30
"""Users nobody learned from: with fewer, an interval over users is wide, and a single one may be most of it."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """What a night learns from. Written by ``assemble``; read by the steps after it and kept as the model's lineage."""

    day: str
    days: tuple[str, ...]
    train_rows: int
    replay_rows: int
    evaluation_rows: int
    versions: dict[str, int]
    train_hash: str
    evaluation_hash: str
    static_rows: int = 0
    static_hash: str | None = None  # of the static set, whole
    left_out: dict[str, int] = field(default_factory=dict)  # reason → lessons that another day makes superfluous
    evaluation_days: tuple[str, ...] = ()  # none of ``days`` where there was enough to compare on after them
    strangers_only: bool = False  # no lesson of a user who is evaluated on was ever learned


def assemble(day: date, settings: Settings) -> Assembled:
    """Write the night's lessons and its held-out requests, each streamed, chosen by keys alone.

    What a night that was killed has left is gone on with where it had the same rows; else it is stopped and removed.

    Raises:
        InputError: the window holds no lesson, or nothing to evaluate on.
    """
    from echo_ops.curation.duplicates import without
    from echo_ops.pipeline.across_days import left_out
    from echo_ops.training.detached import halt
    from echo_ops.training.finetune import run_folder
    from echo_ops.training.replay import choose, mix

    lake = Lake(settings.lake_uri)
    published = [one for one in lake.days() if one <= day]
    versions = lake.versions()
    training = settings.training
    for held_back in sorted({training.held_out_days, 0}, reverse=True):  # none, where that is not enough to compare on
        last = day - timedelta(days=held_back)
        first = last - timedelta(days=training.window_days - 1)
        window, later = [one for one in published if first <= one <= last], [one for one in published if one > last]
        evaluated = later or window
        fresh, all_held_out = _keys(lake, window, "train", versions), _keys(lake, evaluated, "evaluation", versions)
        if later and fresh.num_rows and all_held_out.num_rows >= training.evaluation_rows:
            break
    if not window:
        raise InputError(
            f"no day from {first} to {last} is published in the lake; run echo-ops harvest --day DAY first"
        )
    older = [one for one in published if one < first]
    past, future = (_keys(lake, days, "train", versions) for days in (older, later))
    mixed = mix(fresh, past, training.replay_share, training.seed)
    of_days = sorted({*older, *window, *evaluated})
    repeats = left_out(lake, of_days, mixed, all_held_out, versions, settings.curation)
    strangers = _strangers(all_held_out, pa.concat_tables([fresh, past, future]), training.evaluation_rows)
    fresh, mixed = without(fresh, repeats), without(mixed, repeats)
    held_out = choose(all_held_out if strangers is None else strangers, training.evaluation_rows)
    for rows, what in ((fresh, "lessons to learn"), (held_out, "held-out lessons to compare on")):
        if rows.num_rows == 0:
            raise InputError(
                f"the days {window[0]} to {evaluated[-1]} hold 0 {what}, at least 1 is needed; harvest more days, or "
                "see in the table `dropped` why their requests became none"
            )
    night = folder_of(settings, day)
    folder = night.with_name(f".{night.name}.part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    static = _add_static_set(folder, mixed.num_rows, settings)
    assembled = Assembled(
        day=day.isoformat(),
        days=tuple(one.isoformat() for one in published if one in set(window) | set(older)),
        train_rows=mixed.num_rows,
        replay_rows=mixed.num_rows - fresh.num_rows,
        evaluation_rows=held_out.num_rows,
        versions=versions,
        train_hash=_write(
            folder / "train.parquet", lake, window + older, "train", mixed, versions, _decay(settings, last)
        ),
        evaluation_hash=_write(folder / "evaluation.parquet", lake, evaluated, "evaluation", held_out, versions),
        **static,
        left_out=dict(Counter(sorted(reason.code for reason in repeats.values()))),
        evaluation_days=tuple(one.isoformat() for one in evaluated),
        strangers_only=strangers is not None,
    )
    put(folder / "assembled.json", assembled)
    if (night / "trained.json").exists() or not holds(night / "assembled.json", assembled):
        halt(run_folder(str(night / "checkpoint")))
        shutil.rmtree(night, ignore_errors=True)
        folder.rename(night)
    shutil.rmtree(folder, ignore_errors=True)
    return assembled


def compared_on(assembled: Mapping[str, Any]) -> str:
    """Of which days and users the held-out requests of a night are, for people."""
    days = assembled.get("evaluation_days") or assembled["days"]
    when = "among" if set(days) & set(assembled["days"]) else "after"
    users = "users of whom nothing was learned" if assembled.get("strangers_only") else "all users"
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"{span} ({when} the days learned from), of {users}"


def _keys(lake: Lake, days: list[date], split: str, versions: dict[str, int]) -> pa.Table:
    """The requests of lessons and their users, without texts: enough to choose by."""
    batches = lake.read("examples", days, KEYS.names, versions.get("examples"), {"split": split}) if days else ()
    return pa.Table.from_batches(batches, schema=KEYS)


def _strangers(held_out: pa.Table, lessons: pa.Table, enough: int) -> pa.Table | None:
    """The held-out requests of users who have no lesson on any day; None where there are too few to compare on."""
    found = held_out.filter(pc.invert(pc.is_in(held_out["user_id"], value_set=pc.unique(lessons["user_id"]))))
    users = pc.count_distinct(found["user_id"]).as_py()
    return found if found.num_rows >= enough and users >= ENOUGH_STRANGERS else None


def _decay(settings: Settings, last: date) -> Callable[[date], float]:
    """What the weight of a day's lessons is multiplied with: the window's decay, what is replayed does not."""
    training = settings.training

    def factor(of: date) -> float:
        age = (last - of).days
        return (
            1.0
            if training.half_life_days is None or age >= training.window_days
            else 0.5 ** (age / training.half_life_days)
        )

    return factor


def _add_static_set(folder: Path, others: int, settings: Settings) -> dict[str, Any]:
    """Write so much of the static set that it is its share of all rows; gives what ``Assembled`` says of it."""
    from echo_ops.training.static_set import sample

    path, share = settings.training.static_set, settings.training.static_share
    if path is None:
        return {}
    rows = sample(path, round(others * share / (1 - share)), settings.training.seed)
    pq.write_table(rows, folder / "static.parquet", compression="zstd")
    return {"static_rows": rows.num_rows, "static_hash": _hash(path)}


def _write(
    path: Path,
    lake: Lake,
    days: list[date],
    split: str,
    chosen: pa.Table,
    versions: dict[str, int],
    decay: Callable[[date], float] = lambda _: 1.0,
) -> str:
    """Stream the chosen rows into a file, their weights decayed by day; gives the hash of its bytes."""
    wanted = chosen["request_id"].combine_chunks()
    columns = [field.name for field in EXAMPLES]
    part = path.with_suffix(".part")
    with pq.ParquetWriter(part, EXAMPLES, compression="zstd") as writer:
        for day in sorted(days):
            batches = lake.read("examples", [day], columns, versions.get("examples"), {"split": split})
            rows = [batch.filter(pc.is_in(batch["request_id"], value_set=wanted)) for batch in batches]
            table = pa.Table.from_batches(rows, schema=EXAMPLES).sort_by("request_id")
            weight = pc.multiply(table["weight"], decay(day))
            writer.write_table(
                table.set_column(table.schema.get_field_index("weight"), EXAMPLES.field("weight"), weight)
            )
    part.replace(path)
    return _hash(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

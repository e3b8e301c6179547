"""A night's training, step by step: examples → train.parquet → checkpoint → scores → challenger in MLflow.

::

    assemble ─► finetune ─► evaluate ─► register

Everything of a night lies in ``<home>/training/<day>``; each step reads the files of the one before it and replaces its
own, so it can be killed and run again. The users' code in that folder is removed when the night is registered.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from echo_ops.errors import InputError
from echo_ops.lake.tables import Lake
from echo_ops.pipeline.replacing import replacing
from echo_ops.schema.examples import EXAMPLES
from echo_ops.settings import Settings
from echo_ops.training.progress import Report, silent


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


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a night. Written by ``register``."""

    day: str
    evaluation_rows: int
    champion: dict[str, Any]
    challenger: dict[str, Any]
    better: bool
    reason: str
    registered: dict[str, Any] | None  # {"name", "version"}; None where the challenger was not better
    comparison: dict[str, Any] = field(default_factory=dict)  # see compare.Comparison; empty for nights of before it
    infilling: dict[str, Any] | None = None  # see infilling.Guard; None where no benchmark is named


def last_published(settings: Settings) -> date:
    """The last day in the lake.

    Raises:
        InputError: there is none.
    """
    days = Lake(settings.lake_uri).days()
    if not days:
        raise InputError(
            f"no day is published in the lake at {settings.lake_uri}; run echo-ops harvest --day DAY first"
        )
    return days[-1]


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
    first = day - timedelta(days=settings.training.window_days - 1)
    window, older = [one for one in published if one >= first], [one for one in published if one < first]
    if not window:
        raise InputError(f"no day from {first} to {day} is published in the lake; run echo-ops harvest --day DAY first")
    versions = lake.versions()
    fresh = _keys(lake, window, "train", versions)
    mixed = mix(fresh, _keys(lake, older, "train", versions), settings.training.replay_share, settings.training.seed)
    all_held_out = _keys(lake, window, "evaluation", versions)
    repeats = left_out(lake, window + older, mixed, all_held_out, versions, settings.curation)
    fresh, mixed = without(fresh, repeats), without(mixed, repeats)
    held_out = choose(all_held_out, settings.training.evaluation_rows)
    for rows, what in ((fresh, "lessons to learn"), (held_out, "held-out lessons to compare on")):
        if rows.num_rows == 0:
            raise InputError(
                f"the days {window[0]} to {window[-1]} hold 0 {what}, at least 1 is needed; harvest more days, or see "
                "in the table `dropped` why their requests became none"
            )
    night = _folder(settings, day)
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
            folder / "train.parquet", lake, window + older, "train", mixed, versions, _decay(settings, day)
        ),
        evaluation_hash=_write(folder / "evaluation.parquet", lake, window, "evaluation", held_out, versions),
        **static,
        left_out=dict(Counter(sorted(reason.code for reason in repeats.values()))),
    )
    _put(folder / "assembled.json", assembled)
    if (night / "trained.json").exists() or not _holds(night / "assembled.json", assembled):
        halt(run_folder(str(night / "checkpoint")))
        shutil.rmtree(night, ignore_errors=True)
        folder.rename(night)
    shutil.rmtree(folder, ignore_errors=True)
    return assembled


def finetune(day: date, settings: Settings, report: Report = silent) -> None:
    """Fine-tune the champion on the night's lessons, in a process of its own.

    Run again after a kill, it follows the process that is still at work, or goes on from its last checkpoint: with the
    champion that the night began with, also where another one serves by now.
    """
    from echo_ops.pipeline.champion import ensure_champion
    from echo_ops.pipeline.nightly import followed, nested
    from echo_ops.rollout.registry import MlflowRegistry
    from echo_ops.training.finetune import FinetuneSpec, launch

    folder = _folder(settings, day)
    registry = MlflowRegistry(settings)
    before = folder / "champion.json"
    champion = registry.version(_get(before)["version"]) if before.exists() else ensure_champion(settings, registry)
    with replacing(before) as written:
        written.write_text(json.dumps({"version": champion.version}))
    static = folder / "static.parquet"
    spec = FinetuneSpec(
        model=str(registry.download(champion)),
        examples=str(folder / "train.parquet"),
        out=str(folder / "checkpoint"),
        training=settings.training,
        static=str(static) if static.exists() else None,
    )
    with nested(folder, settings, "finetune") as opened, followed(opened, report) as tell:
        _put(folder / "finetuned.json", launch(spec, tell))


def evaluate(day: date, settings: Settings, report: Report = silent) -> None:
    """Let champion and challenger complete the same held-out requests, and a static benchmark where one is named."""
    from echo_ops.pipeline.evaluation import evaluate_both

    folder = _folder(settings, day)
    evaluate_both(folder, _get(folder / "champion.json")["version"], settings, report)


def register(day: date, settings: Settings) -> Trained:
    """Compare, write all of it to MLflow, and register the checkpoint as challenger when it is better.

    Run again after a kill it goes on with the same MLflow run; the same checkpoint is never registered twice.
    """
    from echo_ops.pipeline.evaluation import judge
    from echo_ops.pipeline.nightly import lineage, nightly, tell_data
    from echo_ops.pipeline.papers import write_card
    from echo_ops.rollout.registry import MlflowRegistry
    from echo_ops.rollout.tracking import code_version

    folder = _folder(settings, day)
    if (folder / "trained.json").exists():
        return result_of(settings, day)
    assembled, finetuned, before = (_get(folder / f"{name}.json") for name in ("assembled", "finetuned", "champion"))
    judged = judge(folder, settings)
    comparison, measured = judged.comparison, judged.measured
    registry, version = MlflowRegistry(settings), None
    with nightly(folder, settings) as opened:
        opened.params(settings.training.model_dump(mode="json") | {"base": before["version"]})
        for who, figures in measured.items():
            opened.metrics(figures, prefix=f"{who}.")
        opened.metrics(judged.metrics())
        tell_data(opened, assembled, settings)
        for name, content in (("comparison", asdict(comparison)), ("assembled", assembled), ("finetuned", finetuned)):
            opened.json(f"{name}.json", content)
        if comparison.better:
            metrics = {
                f"challenger.{name}": value for name, value in measured["challenger"].items() if value is not None
            }
            tags = lineage(folder, settings) | code_version()
            version = registry.register(folder / "checkpoint", run_id=opened.run_id, tags=tags, metrics=metrics)
            registry.set_alias("challenger", version)
        write_card(opened, folder, judged, settings, registry, version)
    trained = Trained(
        day=day.isoformat(),
        evaluation_rows=comparison.requests,
        better=comparison.better,
        reason=comparison.reason,
        registered=None if version is None else {"name": version.name, "version": version.version},
        comparison=asdict(comparison),
        infilling=None if judged.guard is None else asdict(judged.guard),
        **measured,
    )
    _put(folder / "trained.json", trained)
    for text in folder.glob("*.parquet"):
        text.unlink()
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return trained


def train(day: date, settings: Settings, report: Report = silent) -> Trained:
    """All steps of a night, one after the other."""
    assemble(day, settings)
    finetune(day, settings, report)
    evaluate(day, settings, report)
    return register(day, settings)


def result_of(settings: Settings, day: date) -> Trained:
    """What came of a night that was registered.

    Raises:
        InputError: there is none.
    """
    with suppress(FileNotFoundError):
        return Trained(**json.loads((_folder(settings, day) / "trained.json").read_text()))
    raise InputError(f"no training to {day} was registered; run echo-ops train --day {day}")


def _folder(settings: Settings, day: date) -> Path:
    return settings.home.absolute() / "training" / day.isoformat()


def _keys(lake: Lake, days: list[date], split: str, versions: dict[str, int]) -> pa.Table:
    """The requests of lessons, without their texts: enough to choose by."""
    batches = lake.read("examples", days, ["request_id"], versions.get("examples"), {"split": split}) if days else ()
    return pa.Table.from_batches(batches, schema=pa.schema([EXAMPLES.field("request_id")]))


def _decay(settings: Settings, day: date) -> Callable[[date], float]:
    """What the weight of a day's lessons is multiplied with: the window's decay, what is replayed does not."""
    training = settings.training

    def factor(of: date) -> float:
        age = (day - of).days
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


def _get(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path} is missing: an earlier step of this night did not end; run the night again") from None
    return content


def _put(path: Path, record: Any) -> None:
    path.write_text(_json(record))


def _holds(path: Path, record: Any) -> bool:
    return path.exists() and path.read_text() == _json(record)


def _json(record: Any) -> str:
    return json.dumps(asdict(record), indent=2, sort_keys=True) + "\n"

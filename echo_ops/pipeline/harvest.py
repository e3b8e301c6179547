"""A day's harvest, step by step: Postgres → lifecycles → verdicts → examples, published as one.

::

    plan ─► extract (per shard) ─► check ─► judge (per shard) ─► curate ─► check ─► publish

Each step reads a fixed partition and overwrites its own, so it can be killed and run again at any point. Until
``publish`` everything lies in the lake's staging area; a day that a check stops leaves the published tables as they
were. Only manifests pass from step to step. The commands and the Airflow tasks call these same functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.errors import InputError, QualityError
from echo_ops.lake.tables import Lake, batches_of
from echo_ops.pipeline import scoring, teaching
from echo_ops.pipeline.checks import check
from echo_ops.pipeline.database import database
from echo_ops.pipeline.extract import extract, plan
from echo_ops.pipeline.manifest import Manifest, add
from echo_ops.pipeline.processes import cpus, side_by_side
from echo_ops.schema.days import DAYS
from echo_ops.schema.examples import DROPPED, EXAMPLES
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.schema.measures import MEASURES
from echo_ops.schema.scores import SCORES
from echo_ops.schema.verdicts import VERDICTS
from echo_ops.settings import Settings

SCHEMAS = {
    "lifecycles": LIFECYCLES,
    "verdicts": VERDICTS,
    "scores": SCORES,
    "examples": EXAMPLES,
    "dropped": DROPPED,
    "measures": MEASURES,
}

JUDGED = ("verdicts", "scores", "candidates", "keys", "row_dropped")
CURATED = ("examples", "examples_profile", "dropped")
"""What each step stages."""


def judge(
    day: date, extracted: Manifest, settings: Settings, progress: Callable[[int], None] | None = None
) -> Manifest:
    """Ask the teacher where each intent ends, a student how likely it finds the lesson, where one is served, and apply
    every rule that looks at one row alone.

    Args:
        progress: told how many of the shard's lifecycles are judged.
    """
    from echo_ops.curation import curate
    from echo_ops.teacher.judge import judge as judge_rows

    lake = Lake(settings.lake_uri)
    shard = _shard(extracted)
    teacher, scorer = teaching.of_day(day, settings, extracted.versions), scoring.of_day(day, settings)
    tell = progress or (lambda _done: None)
    verdicts = done = 0
    dropped: dict[str, int] = {}
    with lake.staging(day, shard, JUDGED) as staging:
        for lifecycles in lake.staged_parts(day, "lifecycles", shard, extracted.hashes["lifecycles"]):
            said = judge_rows(lifecycles, teacher, _from(done, tell))
            scored = scorer.score(lifecycles, said) if scorer else None
            refined = curate.refine(lifecycles, said, settings.curation, student=scored)
            staging.write("verdicts", said)
            staging.write("scores", refined.scores)
            staging.write("candidates", refined.candidates)
            staging.write("keys", refined.keys)
            staging.write("row_dropped", refined.dropped)
            verdicts += said.num_rows
            done += lifecycles.num_rows
            tell(done)
            dropped = add([dropped, _reasons(refined.dropped)])
    return Manifest(
        "judge",
        day.isoformat(),
        shard,
        extracted.shards,
        rows={"verdicts": verdicts},
        dropped=dropped,
        hashes=staging.hashes,
        notes=(f"teacher: {teacher.name}", *([f"student: {scorer.student.name}"] if scorer else [])),
    )


def curate(day: date, judged: Sequence[Manifest], settings: Settings) -> list[Manifest]:
    """Apply the rules that look at the whole day: duplicates, balance, split; gives one manifest a shard.

    Only the keys, which hold no text, are in memory for the whole day; the texts go by shard by shard.
    """
    from echo_ops.curation import curate as rules
    from echo_ops.quality.profile import profile

    lake = Lake(settings.lake_uri)
    keys = pa.concat_tables([_staged(lake, day, "keys", manifest) for manifest in judged])
    selection = rules.select(keys, settings.curation)
    manifests = []
    for manifest in judged:
        shard = _shard(manifest)
        rows = {"kept": 0, "train": 0, "evaluation": 0}
        mine: list[pa.Array] = []
        with lake.staging(day, shard, CURATED) as staging:
            for candidates in lake.staged_parts(day, "candidates", shard, manifest.hashes["candidates"]):
                examples = rules.assemble(candidates, selection.kept)
                staging.write("examples", examples)
                staging.write("examples_profile", profile("examples", examples))
                mine += candidates["request_id"].chunks
                splits = {split: _count(examples, "split", split) for split in ("train", "evaluation")}
                rows = add([rows, {"kept": examples.num_rows}, splits])
            of_day = pc.is_in(selection.dropped["request_id"], value_set=pa.concat_arrays(mine))
            dropped = [_staged(lake, day, "row_dropped", manifest), selection.dropped.filter(of_day)]
            staging.write("dropped", pa.concat_tables(dropped).sort_by("request_id"))
        manifests.append(
            Manifest(
                "curate",
                day.isoformat(),
                shard,
                manifest.shards,
                rows=rows,
                dropped=add(_reasons(table) for table in dropped),
                hashes=staging.hashes,
                notes=tuple(selection.notes),
            )
        )
    return manifests


def publish(
    day: date,
    extracted: Sequence[Manifest],
    judged: Sequence[Manifest],
    curated: Sequence[Manifest],
    checked: Sequence[Manifest],
    settings: Settings,
) -> Manifest:
    """Overwrite the day's partition of every table, the ``days`` table last, and clear the staging area.

    Killed in between, some tables hold the new partition and some the old one; the day's row in ``days`` then still
    names the old hashes, and a rerun brings all to the same rows.
    """
    lake = Lake(settings.lake_uri)
    sources = {
        "lifecycles": extracted,
        "verdicts": judged,
        "scores": judged,
        "examples": curated,
        "dropped": curated,
        "measures": checked,
    }
    spent, spent_on_student = teaching.spent(day, settings), scoring.spent(day, settings)
    counts = [manifest.rows for manifests in (extracted, judged, curated) for manifest in manifests]
    rows = add([*counts, teaching.rows(spent, "teacher"), teaching.rows(spent_on_student, "student")])
    noted = [note for manifests in (checked, judged, curated) for manifest in manifests for note in manifest.notes]
    costs = [*teaching.notes(spent, settings.teacher), *teaching.notes(spent_on_student, settings.student)]
    notes = _unique([*noted, *costs])
    summary = Manifest(
        "harvest",
        day.isoformat(),
        shards=len(extracted),
        rows=rows,
        dropped=add(manifest.dropped for manifest in curated),
        hashes={
            table: sha256("".join(manifest.hashes[table] for manifest in manifests).encode()).hexdigest()
            for table, manifests in sources.items()
        },
        notes=notes,
    )
    dropped = sum(summary.dropped.values())
    if rows["lifecycles"] != rows["kept"] + dropped:
        raise QualityError(
            f"{day}: {rows['lifecycles']} lifecycles, but {rows['kept']} kept and {dropped} dropped; "
            "each must be in exactly one of the two, so nothing is published; this is a defect: please report it"
        )
    versions = {
        table: lake.publish(day, table, SCHEMAS[table], _batches(lake, day, table, manifests))
        for table, manifests in sources.items()
    }
    day_row = pa.table({"manifest": [summary.to_json()], "settings": [settings.shaping()]}, schema=DAYS)
    versions["days"] = lake.publish(day, "days", DAYS, batches_of(day_row))
    lake.discard_staged(day)
    return replace(summary, versions=versions)


def harvest(day: date, settings: Settings, on_step: Callable[[str, int, int], None] | None = None) -> Manifest:
    """All steps of a day, one after the other; the shards of ``extract`` over ``harvest.processes`` processes.

    Args:
        on_step: called with the step's name, shards (of ``judge``, lifecycles) done, and in all.
    """
    tell = on_step or (lambda _step, _done, _all: None)
    workers = settings.harvest.processes or cpus()
    with database(settings) as url:
        settings = settings.with_postgres(url)
        tell("plan", 0, 1)
        planned = plan(day, settings, workers)
        shards = planned.shards
        work = partial(extract, day, shards=shards, settings=settings, parts=planned.parts, versions=planned.versions)
        extracted: list[Manifest] = []
        tell("extract", 0, shards)
        for manifest in side_by_side(work, range(shards), min(workers, shards)):
            extracted.append(manifest)
            tell("extract", len(extracted), shards)
    tell("check lifecycles", 0, 1)
    checked = [check(day, "lifecycles", extracted, settings)]
    judged: list[Manifest] = []
    lifecycles, done = sum(manifest.rows["lifecycles"] for manifest in extracted), 0
    for manifest in extracted:
        judged.append(judge(day, manifest, settings, _from(done, lambda done: tell("judge", done, lifecycles))))
        done += manifest.rows["lifecycles"]
    tell("curate", 0, 1)
    curated = curate(day, judged, settings)
    tell("check examples", 0, 1)
    checked.append(check(day, "examples", curated, settings))
    tell("publish", 0, 1)
    return publish(day, extracted, judged, curated, checked, settings)


def published(settings: Settings, days: Iterable[date] | None = None) -> dict[date, Manifest]:
    """The manifest of each published day, oldest first."""
    lake = Lake(settings.lake_uri)
    found = {
        day: Manifest.from_dict(json.loads(text))
        for batch in lake.read("days", None if days is None else list(days), ["day", "manifest"])
        for day, text in zip(batch["day"].to_pylist(), batch["manifest"].to_pylist(), strict=True)
    }
    return dict(sorted(found.items()))


def _from(start: int, tell: Callable[[int], None]) -> Callable[..., None]:
    """A report of progress that counts on from ``start``."""
    return lambda done, _all=0: tell(start + done)


def _staged(lake: Lake, day: date, table: str, manifest: Manifest) -> pa.Table:
    return lake.staged(day, table, _shard(manifest), manifest.hashes[table])


def _batches(lake: Lake, day: date, table: str, manifests: Iterable[Manifest]) -> Iterator[pa.RecordBatch]:
    for manifest in manifests:
        for rows in lake.staged_parts(day, table, _shard(manifest), manifest.hashes[table]):
            yield from batches_of(rows.cast(SCHEMAS[table]))


def _shard(manifest: Manifest) -> int:
    if manifest.shard is None:
        raise InputError(f"a manifest of {manifest.step} has no shard; pass the ones of extract, judge or curate")
    return manifest.shard


def _count(table: pa.Table, column: str, value: str) -> int:
    return pc.sum(pc.equal(table[column], value)).as_py() or 0


def _reasons(dropped: pa.Table) -> dict[str, int]:
    counts = dropped["reason"].value_counts().to_pylist()
    return dict(sorted((count["values"], count["counts"]) for count in counts))


def _unique(notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))

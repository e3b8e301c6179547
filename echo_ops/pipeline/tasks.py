"""The steps as Airflow calls them: plain data in and out, settings from the environment.

Only manifests, as plain data, pass between tasks; rows never do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from echo_ops.pipeline import day as days
from echo_ops.pipeline import harvest
from echo_ops.pipeline.manifest import Manifest
from echo_ops.settings import load

Data = dict[str, Any]


def is_over(day: str, now: datetime) -> bool:
    """Whether all events that finish the day's requests have had their time to arrive."""
    return now >= harvest.Window.of(days.parse(day), load()).end


def plan(day: str) -> list[dict[str, int]]:
    """The shards of a day, one mapped task each."""
    shards = harvest.plan(days.parse(day), load()).shards
    return [{"shard": shard, "shards": shards} for shard in range(shards)]


def extract(day: str, shard: int, shards: int) -> Data:
    """See ``harvest.extract``."""
    return harvest.extract(days.parse(day), shard, shards, load()).to_dict()


def check(day: str, stage: harvest.CheckedStage, before: Iterable[Data]) -> Data:
    """See ``harvest.check``."""
    return harvest.check(days.parse(day), stage, _manifests(before), load()).to_dict()


def judge(day: str, extracted: Data) -> Data:
    """See ``harvest.judge``."""
    return harvest.judge(days.parse(day), Manifest.from_dict(extracted), load()).to_dict()


def curate(day: str, judged: Iterable[Data]) -> list[Data]:
    """See ``harvest.curate``."""
    return [manifest.to_dict() for manifest in harvest.curate(days.parse(day), _manifests(judged), load())]


def publish(
    day: str, extracted: Iterable[Data], judged: Iterable[Data], curated: Iterable[Data], checked: Iterable[Data]
) -> Data:
    """See ``harvest.publish``."""
    parts = (_manifests(part) for part in (extracted, judged, curated, checked))
    return harvest.publish(days.parse(day), *parts, settings=load()).to_dict()


def _manifests(data: Iterable[Data]) -> list[Manifest]:
    return [Manifest.from_dict(one) for one in data]

"""The steps as Airflow calls them: plain data in and out, settings from the environment.

Only manifests, as plain data, pass between tasks; rows never do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from echo_ops.pipeline import checks, harvest
from echo_ops.pipeline import day as days
from echo_ops.pipeline import extract as extraction
from echo_ops.pipeline.manifest import Manifest
from echo_ops.settings import load
from echo_ops.training.progress import Progress

log = logging.getLogger(__name__)

Data = dict[str, Any]


def is_over(day: str, now: datetime) -> bool:
    """Whether all events that finish the day's requests have had their time to arrive."""
    return now >= extraction.Window.of(days.parse(day), load()).end


def plan(day: str) -> list[Data]:
    """The shards of a day, one mapped task each, with what is resolved once for all of them."""
    planned = extraction.plan(days.parse(day), load())
    cut = {"shards": planned.shards, "parts": planned.parts, "versions": planned.versions}
    return [{"shard": shard, **cut} for shard in range(planned.shards)]


def extract(day: str, shard: int, shards: int, parts: int, versions: dict[str, int]) -> Data:
    """See ``extract.extract``."""
    return extraction.extract(days.parse(day), shard, shards, load(), parts, versions).to_dict()


def check(day: str, stage: checks.CheckedStage, before: Iterable[Data]) -> Data:
    """See ``checks.check``."""
    return checks.check(days.parse(day), stage, _manifests(before), load()).to_dict()


def judge(day: str, extracted: Data) -> Data:
    """See ``harvest.judge``."""
    manifest = Manifest.from_dict(extracted)
    total = manifest.rows["lifecycles"]
    return harvest.judge(days.parse(day), manifest, load(), lambda done: _say(Progress("judge", done, total))).to_dict()


def curate(day: str, judged: Iterable[Data]) -> list[Data]:
    """See ``harvest.curate``."""
    return [manifest.to_dict() for manifest in harvest.curate(days.parse(day), _manifests(judged), load())]


def publish(
    day: str, extracted: Iterable[Data], judged: Iterable[Data], curated: Iterable[Data], checked: Iterable[Data]
) -> Data:
    """See ``harvest.publish``."""
    stages = (_manifests(extracted), _manifests(judged), _manifests(curated), _manifests(checked))
    return harvest.publish(days.parse(day), *stages, load()).to_dict()


def is_published(day: str) -> bool:
    """Whether a day's harvest is in the lake."""
    return bool(harvest.published(load(), [days.parse(day)]))


def assemble(day: str) -> Data:
    """See ``assemble.assemble``."""
    from echo_ops.pipeline import assemble as step

    return asdict(step.assemble(days.parse(day), load()))


def finetune(day: str) -> None:
    """See ``train.finetune``."""
    from echo_ops.pipeline import train

    train.finetune(days.parse(day), load(), _say)


def evaluate(day: str) -> None:
    """See ``train.evaluate``."""
    from echo_ops.pipeline import train

    train.evaluate(days.parse(day), load(), _say)


def register(day: str) -> Data:
    """See ``train.register``."""
    from echo_ops.pipeline import train

    return asdict(train.register(days.parse(day), load()))


def rollout_step() -> Data:
    """See ``promote.step``."""
    from echo_ops.pipeline.database import database
    from echo_ops.pipeline.promote import step

    settings = load()
    with database(settings) as url:
        return dict(step(settings, url).figures())


def _say(progress: Progress) -> None:
    """Progress into the task's log, a line each tenth of the way."""
    if progress.done * 10 // max(progress.total, 1) != (progress.done - 1) * 10 // max(progress.total, 1):
        loss = "" if progress.loss is None else f", loss {progress.loss:.3f}"
        log.info("%s: %d of %d%s", progress.phase, progress.done, progress.total, loss)


def _manifests(data: Iterable[Data]) -> list[Manifest]:
    return [Manifest.from_dict(one) for one in data]

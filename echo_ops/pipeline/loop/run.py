"""A proof from its first day to its summary."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.errors import InputError
from echo_ops.pipeline.loop import arms, figures, panel, serving
from echo_ops.pipeline.loop.echo import Echo
from echo_ops.pipeline.loop.lanes import Lanes
from echo_ops.pipeline.loop.plan import SIZES, Plan
from echo_ops.pipeline.loop.teams import teams
from echo_ops.pipeline.processes import cpus
from echo_ops.settings import Settings
from echo_ops.training.finetune import FinetuneSpec, launch
from echo_ops.training.progress import Progress, Report
from echo_ops.training.replay import by_hash

Tell = Callable[[str, Progress | None], None]
"""Takes the name of a piece of work and how far it is; None: it has ended."""


def run(plan: Plan, outer: Settings, out: Path, tell: Tell) -> dict[str, Any]:
    """Run a proof; writes ``plan.json`` before it begins, ``summary.json`` and ``acceptance.png`` when it has ended.

    Everything else lies in ``out/work``, which is made anew each time.

    Raises:
        InputError: a number of the plan is out of range, or a project is not installed.
        TrainingError: a model could not be trained.
    """
    from echo_ops.events import local_server
    from echo_ops.events.migrate import migrate

    began = time.monotonic()
    people = teams(plan)
    out.mkdir(parents=True, exist_ok=True)
    work = out.absolute() / "work"
    if not local_server.remove(work):
        raise InputError(f"the database in {work} is in use by another run; wait for its end, or name another --out")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    (out / "summary.json").unlink(missing_ok=True)
    (out / "plan.json").write_text(json.dumps(plan.written(), indent=2) + "\n")
    base = _base_model(plan, outer, tell)
    with local_server.serve(work) as url:
        migrate(url)
        echo = Echo(plan, people, plan.settings(outer, work, url, base), url, work)
        echo.ask_consent()
        measured = _Proof(plan, echo, base, work, tell).run()
    summary = figures.summary(*measured) | {
        "nights": echo.nights,
        "plan": plan.written(),
        "seconds": round(time.monotonic() - began, 1),
    }
    figures.plot(summary, out / "acceptance.png")
    part = out / ".summary.json"
    part.write_text(json.dumps(summary, indent=2) + "\n")
    part.replace(out / "summary.json")
    return summary


def _base_model(plan: Plan, outer: Settings, tell: Tell) -> Path:
    from echo_ops.training.base_model import launch as make

    folder = outer.home.absolute() / "proof-base-model"
    make(folder, lambda progress: tell("base model", progress), plan.base)
    tell("base model", None)
    return folder


class _Proof:
    """The pieces of a proof, and which needs which."""

    def __init__(self, plan: Plan, echo: Echo, base: Path, folder: Path, tell: Tell) -> None:
        self.plan, self.echo, self.base, self.folder, self.tell = plan, echo, base, folder, tell
        self.panels = {"panel": folder / "panel.parquet", "others": folder / "others.parquet"}

    def run(self) -> tuple[dict[str, list[pa.Table]], dict[str, list[pa.Table]], dict[int, pa.Table]]:
        with Lanes(min(2, cpus())) as lanes:
            asked = [lanes.after([], partial(self._ask, name)) for name in self.panels]
            measured = {"frozen": [lanes.after(asked, partial(self._measure, "frozen 0", self.base, others=True))]}
            lessons: list[Future[Any]] = []
            models: dict[str, Future[Any]] = {}
            for night in range(self.plan.days):
                before = [models["echo"]] if models else []
                worked = lanes.after(before, self._piece(f"day {night + 1}", partial(self.echo.work, night)))
                lessons.append(lanes.after([worked], partial(self.echo.lessons, night)))
                own_before = models.get("own_proposals")
                own_work = lanes.after([own_before] if own_before else [], partial(self._own_work, night, own_before))
                trained: dict[str, Callable[[], Path]] = {
                    "echo": self._piece(f"echo {night + 1}", partial(self.echo.night, night)),
                    "shuffled": partial(self._shuffled, night, models.get("shuffled")),
                    "own_proposals": partial(self._own, night, own_before),
                }
                for arm, work in trained.items():
                    needed = [lessons[-1], own_work] if arm == "own_proposals" else [lessons[-1]]
                    earlier = models.get(arm)
                    models[arm] = lanes.after([*needed, *([earlier] if earlier else [])], work)
                    measured.setdefault(arm, []).append(
                        lanes.after(
                            [*asked, models[arm]],
                            partial(self._measure_of, f"{arm} {night + 1}", models[arm], arm == "echo"),
                        )
                    )
            sizes = [lanes.after([*asked, *lessons], partial(self._of_size, share)) for share in SIZES]
            tables = {arm: [one.result() for one in series] for arm, series in measured.items()}
            by_size = dict(one.result() for one in sizes)
        base = tables["frozen"][0]
        same = {arm: [base["panel"], *(one["panel"] for one in tables.get(arm, []))] for arm in arms.ARMS}
        same["frozen"] = [base["panel"]] * (self.plan.days + 1)
        others = {
            "echo": [base["others"], *(one["others"] for one in tables["echo"])],
            "frozen": [base["others"]] * (self.plan.days + 1),
        }
        return same, others, by_size

    # --- pieces

    def _piece(self, name: str, work: Callable[[Report], Any]) -> Callable[[], Any]:
        def run() -> Any:
            result = work(lambda progress: self.tell(name, progress))
            self.tell(name, None)
            return result

        return run

    def _ask(self, name: str) -> None:
        team = getattr(self.echo.teams, name)
        asked = panel.requests(team, self.plan.day(0), self.plan.panel_work, self.plan.seed, self.plan.panel_requests)
        pq.write_table(asked, self.panels[name])

    def _measure(self, name: str, model: Path, others: bool = False) -> dict[str, pa.Table]:
        chosen = self.panels if others else {"panel": self.panels["panel"]}
        asked = {source: self.folder / f"{panel}-{name.replace(' ', '-')}.parquet" for panel, source in chosen.items()}
        self._piece(f"panel {name}", lambda report: serving.measure(self.plan, model, asked, report))()
        return {panel: pq.read_table(asked[source]) for panel, source in chosen.items()}

    def _measure_of(self, name: str, model: Future[Path], others: bool) -> dict[str, pa.Table]:
        return self._measure(name, model.result(), others)

    def _finetune(self, name: str, model: Path, lessons: Path) -> Path:
        out = self.folder / name.replace(" ", "-")
        spec = FinetuneSpec(str(model), str(lessons), str(out), self.echo.settings.training)
        self._piece(name, lambda report: launch(spec, report))()
        return out

    def _shuffled(self, night: int, before: Future[Path] | None) -> Path:
        rows = arms.shuffled(pq.read_table(self._lessons(night)), self.plan.seed)
        lessons = self.folder / f"shuffled-lessons-{night}.parquet"
        pq.write_table(rows, lessons)
        return self._finetune(f"shuffled {night + 1}", before.result() if before else self.base, lessons)

    def _own_work(self, night: int, before: Future[Path] | None) -> None:
        model = before.result() if before else self.base
        out = self.folder / f"own-events-{night}.parquet"
        day = self.plan.day(night)

        def work(report: Report) -> None:
            serving.work(self.plan, "users", day, {f"own/{night}": model}, {}, out, report)

        self._piece(f"own day {night + 1}", work)()

    def _own(self, night: int, before: Future[Path] | None) -> Path:
        from echo_ops.pipeline.files import reconstruct_file

        lifecycles = self.folder / f"own-lifecycles-{night}.parquet"
        reconstruct_file(self.folder / f"own-events-{night}.parquet", "default", lifecycles, self.echo.settings)
        wanted = pq.read_metadata(self._lessons(night)).num_rows
        rows = arms.own_proposals(pq.read_table(lifecycles), wanted)
        model = before.result() if before else self.base
        if not rows.num_rows:
            return model  # nothing was accepted, nothing is learned
        lessons = self.folder / f"own-lessons-{night}.parquet"
        pq.write_table(rows, lessons)
        return self._finetune(f"own {night + 1}", model, lessons)

    def _of_size(self, share: float) -> tuple[int, pa.Table]:
        days = [pq.read_table(self._lessons(night)) for night in range(self.plan.days)]
        rows = by_hash(_once(pa.concat_tables(days)), self.plan.seed)
        chosen = rows.slice(0, round(share * rows.num_rows))
        lessons = self.folder / f"lessons-of-{chosen.num_rows}.parquet"
        pq.write_table(chosen, lessons)
        model = self._finetune(f"{chosen.num_rows} lessons", self.base, lessons)
        return chosen.num_rows, self._measure(f"{chosen.num_rows} lessons", model)["panel"]

    def _lessons(self, night: int) -> Path:
        return self.folder / f"lessons-{night}.parquet"


def _once(rows: pa.Table) -> pa.Table:
    """Each request once: replay repeats some."""
    seen: set[str] = set()
    first = [
        number
        for number, request in enumerate(rows["request_id"].to_pylist())
        if not (request in seen or seen.add(request))  # type: ignore[func-returns-value]
    ]
    return rows.take(pa.array(first, pa.int64()))

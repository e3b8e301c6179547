"""A proof from its first day to its summary."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from echo_ops.errors import InputError
from echo_ops.pipeline.loop import arms, figures, panel, serving
from echo_ops.pipeline.loop.echo import Echo
from echo_ops.pipeline.loop.lanes import Lanes
from echo_ops.pipeline.loop.plan import SIZES, TRAINING, Plan
from echo_ops.pipeline.loop.teams import teams
from echo_ops.pipeline.processes import cpus
from echo_ops.pipeline.replacing import replacing
from echo_ops.settings import Settings
from echo_ops.training.finetune import FinetuneSpec, launch
from echo_ops.training.progress import Progress, Report
from echo_ops.training.replay import by_hash

Result = TypeVar("Result")

Tell = Callable[[str, Progress | None], None]
"""Takes the name of a piece of work and how far it is; None: it has ended."""


def run(plan: Plan, outer: Settings, out: Path, tell: Tell) -> dict[str, Any]:
    """Run a proof; writes ``plan.json`` before it begins, ``summary.json`` and ``acceptance.png`` when it has ended.

    Everything else lies in ``out/work``, which is made anew each time.

    Raises:
        InputError: a number of the plan is out of range, a project is not installed, or ``out`` is no folder.
        TrainingError: a model could not be trained.
    """
    from echo_ops.events import local_server
    from echo_ops.events.migrate import migrate

    began = time.monotonic()
    people = teams(plan)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made a folder ({error.strerror}); name another with --out") from None
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
        echo.note_consents()
        proven = _Proof(plan, echo, base, work, tell).run()
    summary = proven | {
        "nights": echo.nights,
        "plan": plan.written(),
        "seconds": round(time.monotonic() - began, 1),
    }
    figures.plot(summary, out / "acceptance.png")
    with replacing(out / "summary.json") as part:
        part.write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def _base_model(plan: Plan, outer: Settings, tell: Tell) -> Path:
    from echo_ops.training.base_model import launch as make

    folder = outer.home.absolute() / "proof-base-model"
    make(folder, lambda progress: tell("base model", progress), plan.base)
    tell("base model", None)
    return folder


class _Proof:
    """The pieces of a proof, and which needs which. A model is the folder of its checkpoint."""

    def __init__(self, plan: Plan, echo: Echo, base: Path, folder: Path, tell: Tell) -> None:
        self.plan, self.echo, self.base, self.folder, self.tell = plan, echo, base, folder, tell
        self.lanes = Lanes(min(2, cpus()))

    def run(self) -> dict[str, Any]:
        """All of it; gives the figures."""
        with self.lanes:
            run = self.lanes.run
            asked, elsewhere = run(self._ask, "panel"), run(self._ask, "others")
            first = run(lambda: self.base)
            models = {arm: [first] for arm in ("echo", "shuffled", "own_proposals")}
            echo, shuffled, own = models.values()
            lessons: list[Future[Path]] = []
            own_days: list[Future[Path]] = []
            for night in range(self.plan.days):
                worked = run(self._day, night, echo[-1])
                lessons.append(run(self._lessons, night, worked))
                echo.append(run(self._echo, night, lessons[-1]))
                shuffled.append(run(self._shuffled, night, lessons[-1], shuffled[-1]))
                own_days.append(run(self._own_day, night, own[-1]))
                own.append(run(self._own, night, lessons[-1], own[-1], *own_days[-TRAINING["window_days"] :]))
            base = run(self._measure, "base", first, asked)
            measured = {
                arm: [
                    base,
                    *(run(self._measure, f"{arm} {night}", one, asked) for night, one in enumerate(series[1:], 1)),
                ]
                for arm, series in models.items()
            }
            abroad = [run(self._measure, f"echo {night} elsewhere", one, elsewhere) for night, one in enumerate(echo)]
            sizes = [run(self._of_size, share, asked, *lessons) for share in SIZES]
        same = {arm: [one.result() for one in series] for arm, series in measured.items()}
        other = [one.result() for one in abroad]
        return figures.summary(
            {arm: same.get(arm, [base.result()] * (self.plan.days + 1)) for arm in arms.ARMS},
            {"echo": other, "frozen": other[:1] * len(other)},
            dict(size.result() for size in sizes),
        )

    # --- pieces

    def _day(self, night: int, _champion: Path) -> None:
        self._tell(f"day {night + 1}", partial(self.echo.work, night))

    def _lessons(self, night: int, _worked: None) -> Path:
        return self.echo.lessons(night)

    def _echo(self, night: int, _lessons: Path) -> Path:
        return self._tell(f"echo {night + 1}", partial(self.echo.night, night))

    def _shuffled(self, night: int, lessons: Path, model: Path) -> Path:
        rows = self.folder / f"shuffled-{lessons.name}"
        pq.write_table(arms.shuffled(pq.read_table(lessons), self.plan.seed), rows)
        return self._finetune(f"shuffled {night + 1}", model, rows)

    def _own_day(self, night: int, model: Path) -> Path:
        from echo_ops.pipeline.files import reconstruct_file

        events = self.folder / f"own-events-{night}.parquet"
        work = partial(serving.work, self.plan, "users", self.plan.day(night), {f"own/{night}": model}, {}, events)
        self._tell(f"own day {night + 1}", work)
        lifecycles = self.folder / f"own-lifecycles-{night}.parquet"
        reconstruct_file(events, "default", lifecycles, self.echo.settings)
        return lifecycles

    def _own(self, night: int, lessons: Path, model: Path, *days: Path) -> Path:
        lifecycles = pa.concat_tables([pq.read_table(day) for day in days])
        taken = arms.own_proposals(lifecycles, pq.read_metadata(lessons).num_rows)
        if not taken.num_rows:
            return model  # nothing was accepted, nothing is learned
        rows = self.folder / f"own-{lessons.name}"
        pq.write_table(taken, rows)
        return self._finetune(f"own {night + 1}", model, rows)

    def _of_size(self, share: float, asked: Path, *lessons: Path) -> tuple[int, pa.Table]:
        rows = pa.concat_tables([pq.read_table(one) for one in lessons])
        once = {request: row for row, request in enumerate(rows["request_id"].to_pylist())}  # replay repeats some
        rows = by_hash(rows.take(pa.array(list(once.values()), pa.int64())), self.plan.seed)
        chosen = rows.slice(0, round(share * rows.num_rows))
        name = f"{chosen.num_rows} lessons"
        pq.write_table(chosen, out := self.folder / f"{chosen.num_rows}-lessons.parquet")
        return chosen.num_rows, self._measure(name, self._finetune(name, self.base, out), asked)

    def _ask(self, team: str) -> Path:
        people = getattr(self.echo.teams, team)
        rows = panel.requests(people, self.plan.day(0), self.plan.panel_work, self.plan.seed, self.plan.panel_requests)
        pq.write_table(rows, out := self.folder / f"{team}.parquet")
        return out

    def _measure(self, name: str, model: Path, asked: Path) -> pa.Table:
        answers = self.folder / f"answers-{name.replace(' ', '-')}.parquet"
        self._tell(f"panel {name}", partial(serving.measure, self.plan, model, asked, answers))
        return pq.read_table(answers)

    def _finetune(self, name: str, model: Path, lessons: Path) -> Path:
        out = self.folder / name.replace(" ", "-")
        spec = FinetuneSpec(str(model), str(lessons), str(out), self.echo.settings.training)
        self._tell(name, partial(launch, spec))
        return out

    def _tell(self, name: str, work: Callable[[Report], Result]) -> Result:
        """Work that reports how far it is, and stops where another piece has failed."""

        def report(progress: Progress) -> None:
            self.lanes.go_on()
            self.tell(name, progress)

        result = work(report)
        self.tell(name, None)
        return result

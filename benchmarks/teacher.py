"""What the teacher costs: output tokens, requests and tokens saved, and the client's own time.

    .venv/bin/python benchmarks/teacher.py [cuts] [cache] [client] [vllm] [--users N] [--quick]

In one run, on lifecycles of simulated programmers, those that are named or all but ``vllm``:

- cuts: how often the ``syntax`` teacher takes the unit that was meant, and how often its end is offered at all;
- client: how busy 64 requests in flight keep a server of fixed service time, in a process of its own;
- cache: requests of a rerun;
- vllm (``scripts/vllm-env`` first): on its real server, with a tiny random model: output tokens a lifecycle, how busy
  the client keeps it, and the tokens that its prefix cache saves, with the common part first and, as the peer, last.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from vllm_server import MODEL, VllmServer, free_port, make_model, missing

from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.simulate.simulate import write
from echo_ops.teacher.client import VllmTeacher
from echo_ops.teacher.connect import connect
from echo_ops.teacher.cutpoints import cut_points
from echo_ops.teacher.judge import judge
from echo_ops.teacher.prompts import Messages, Prompts, built_in
from echo_ops.teacher.syntax import first_unit

PARTS = ("cuts", "cache", "client", "vllm")

IN_FLIGHT = 64
SERVICE = (0.25, 0.5, 1.0)
"""Seconds that the server of fixed time takes for an answer."""

BEFORE_VLLM = 300
"""Characters of context that the tiny model sees: its tokenizer knows little, and its context has 4,096 tokens."""

Row = tuple[str, str, str, bool | None]


def lifecycles(users: int, folder: Path) -> tuple[pa.Table, dict[str, str]]:
    """Lifecycles of a simulated day, and what each request meant to put into its gap."""
    events, truth = folder / "events.parquet", folder / "truth.parquet"
    write(events, truth, days=1, users=users, seed=1, start=date(2026, 11, 2))
    rows = pq.read_table(truth).to_pylist()
    meant = {row["request_id"]: row["intended"] for row in rows if row["policy"] == "default"}
    return reconstruct(pq.read_table(events), policy="default"), meant


def cuts(table: pa.Table, meant: dict[str, str]) -> Iterator[Row]:
    """Of all commits, and of those that begin with what was meant, so that some cut could be right."""
    commits = able = offered = taken = 0
    for row in table.to_pylist():
        committed, intended = row["committed"], meant.get(row["request_id"])
        if not committed or intended is None or row["close_reason"] == "horizon":
            continue
        commits += 1
        if not intended or not committed.startswith(intended):
            continue
        able += 1
        found = cut_points(row["language"], row["prefix"], committed, row["suffix"])
        ends = {len(intended), len(intended.rstrip())}
        offered += any(cut.offset in ends for cut in found)
        taken += first_unit(found).offset in ends
    yield "commits that are not empty", f"{commits:,}", "", None
    yield "  of these begin with what was meant", f"{able / commits:.1%}", "", None
    yield "    of these its end is offered as a cut", f"{offered / able:.1%}", "", None
    yield "    of these `syntax` takes it", f"{taken / able:.1%}", "", None
    yield "`syntax` takes what was meant, of all commits", f"{taken / commits:.1%}", "", None


@contextmanager
def fixed_server(seconds: float) -> Iterator[str]:
    """URL of a server that takes so long for every answer."""
    port = free_port()
    script = Path(__file__).with_name("fixed_server.py")
    process = subprocess.Popen([sys.executable, str(script), str(port), str(seconds)])
    try:
        _wait_for(lambda: _get(f"http://127.0.0.1:{port}/busy"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def busy(table: pa.Table, seconds: float) -> Iterator[Row]:
    """The share of 64 places at the server that are taken while there is something to ask, and the client's CPU."""
    with fixed_server(seconds) as root:
        settings = TeacherSettings(url=f"{root}/v1", model="fixed", concurrency=IN_FLIGHT)
        teacher = connect(settings)
        began = _cpu()
        judge(table, teacher)
        cpu = _cpu() - began
        share = _get(f"{root}/busy")["at_once"] / IN_FLIGHT
    requests = teacher.usage.requests
    name = f"server busy, {seconds:g} s an answer, {IN_FLIGHT} in flight"
    yield name, f"{share:.1%}", "≥ 95 %", share >= 0.95
    yield "  client's CPU a request, with cuts", f"{1000 * cpu / requests:.2f} ms", "", None


def cache(table: pa.Table, folder: Path) -> Iterator[Row]:
    """A rerun, with all answers kept."""
    with fixed_server(0.01) as root:
        settings = TeacherSettings(url=f"{root}/v1", model="fixed", concurrency=IN_FLIGHT)
        first, again = connect(settings, folder), connect(settings, folder)
        verdicts = judge(table, first)
        same = judge(table, again).equals(verdicts)
    run, rerun = first.usage, again.usage
    yield "requests of a run", f"{run.requests:,}", "", None
    yield "  of a rerun", f"{rerun.requests:,}", "0, and equal", rerun.requests == 0 and same
    yield "prompt tokens of a run, at 900 a request", f"{run.prompt_tokens:,}", "", None
    yield "  of a rerun", f"{rerun.prompt_tokens:,}", "0", rerun.prompt_tokens == 0


class CommonLast(Prompts):
    """The peer: the same words, but what all talks share comes after what each has of its own."""

    __slots__ = ()

    def ask_for_cut(self, question, context_characters: int) -> Messages:  # type: ignore[no-untyped-def]
        """The user's text first, then the instructions."""
        common, own = super().ask_for_cut(question, context_characters)
        return [{"role": "user", "content": own["content"] + "\n" + common["content"]}]


def vllm(table: pa.Table, folder: Path) -> Iterator[Row]:
    """On the real server: what is spent, what its prefix cache saves, and how busy it is kept."""
    make_model(folder)
    server = VllmServer(folder, Path(__file__).parents[1] / ".echo" / "benchmark-vllm.log", sequences=IN_FLIGHT)
    settings = TeacherSettings(
        url=server.url, model=MODEL, concurrency=IN_FLIGHT, timeout=600, context_characters=BEFORE_VLLM
    )
    ours = built_in()
    last = CommonLast(ours.common, ours.cut, ours.verdict, "last")
    try:
        server.start().wait()
        judge(table.slice(0, 20), VllmTeacher(settings, MODEL, replace(ours, common="-")))  # its first answers are slow
        spent = {}
        for name, prompts in (("first", ours), ("last", last)):
            hits = server.metric("vllm:prefix_cache_hits_total")
            queries = server.metric("vllm:prefix_cache_queries_total")
            teacher = VllmTeacher(settings, MODEL, prompts)
            watch = _Watch(server)
            began, cpu = time.perf_counter(), _cpu()
            judge(table, teacher)
            seconds, cpu = time.perf_counter() - began, _cpu() - cpu
            running = watch.stop()
            hits = server.metric("vllm:prefix_cache_hits_total") - hits
            queries = server.metric("vllm:prefix_cache_queries_total") - queries
            spent[name] = (teacher.usage, seconds, cpu, hits / queries, running)
    finally:
        server.kill()
    usage, seconds, cpu, hit, running = spent["first"]
    asked = usage.requests / 2
    yield (
        "output tokens a lifecycle, both questions",
        f"{usage.output_tokens / asked:.2f}",
        "≤ 4",
        (usage.output_tokens <= 4 * asked),
    )
    yield "prompt tokens a lifecycle", f"{usage.prompt_tokens / asked:,.0f}", "", None
    yield "  of these in the prefix cache, common part first", f"{hit:.1%}", "> last", hit > spent["last"][3]
    yield "  common part last", f"{spent['last'][3]:.1%}", "", None
    yield "seconds, common part first", f"{seconds:.1f}", "< last", seconds < spent["last"][1]
    yield "  common part last", f"{spent['last'][1]:.1f}", "", None
    yield "client's CPU beside the server's time", f"{cpu / seconds:.1%}", "", None
    yield "time in which the server has work", f"{running[0]:.1%}", "≥ 95 %", running[0] >= 0.95
    yield "  requests at the server, on average", f"{running[1]:.1f}", "", None


class _Watch:
    """Looks at the server ten times a second, from a process of its own: how many requests does it have?"""

    def __init__(self, server: VllmServer) -> None:
        code = (
            "import sys, time, urllib.request\n"
            "while True:\n"
            "    try:\n"
            "        text = urllib.request.urlopen(sys.argv[1] + '/metrics', timeout=60).read().decode()\n"
            "    except OSError:\n"
            "        break\n"
            "    names = ('vllm:num_requests_running{', 'vllm:num_requests_waiting{')\n"
            "    lines = [line for line in text.splitlines() if line.startswith(names)]\n"
            "    print(sum(float(line.split()[-1]) for line in lines), flush=True)\n"
            "    time.sleep(0.1)\n"
        )
        self._process = subprocess.Popen([sys.executable, "-c", code, server.root], stdout=subprocess.PIPE, text=True)

    def stop(self) -> tuple[float, float]:
        """From the first look that found some to the last: the share that did, and how many they found on average."""
        self._process.kill()
        assert self._process.stdout is not None
        found = [float(line) for line in self._process.stdout.read().splitlines()]
        self._process.wait()
        busy = [look for look, requests in enumerate(found) if requests]
        found = found[busy[0] : busy[-1] + 1]
        return len(busy) / len(found), sum(found) / len(found)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _get(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url, timeout=10) as response:
        found: dict[str, float] = json.load(response)
    return found


def _wait_for(ready: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            ready()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"what is measured: {', '.join(PARTS)}; unset: all but vllm")
    parser.add_argument("--users", type=int, default=25, help="simulated programmers, some 70 commits each")
    parser.add_argument("--quick", action="store_true", help="so little that it only shows that it runs")
    given = parser.parse_args()
    parts = given.parts or PARTS[:-1]
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"{', '.join(unknown)} is no part; there are {', '.join(PARTS)}")
    if "vllm" in parts and (reason := missing()):
        sys.exit(reason)
    with tempfile.TemporaryDirectory(prefix="echo-ops-benchmark-", dir="/var/tmp") as place:
        folder = Path(place)
        table, meant = lifecycles(1 if given.quick else given.users, folder)
        if "cuts" in parts:
            _print("Cuts", cuts(table, meant))
        if "cache" in parts:
            _print("Cache", cache(table, folder / "cache"))
        if "client" in parts:
            _print("Client", chain(*(busy(table, seconds) for seconds in ((0.05,) if given.quick else SERVICE))))
        if "vllm" in parts:
            _print("vLLM", vllm(table.slice(0, 20 if given.quick else 1000), folder))


def _print(title: str, rows: Iterator[Row]) -> None:
    table = Table("", "measured", "bar", "met", title=title, title_justify="left")
    for name, measured, bar, met in rows:
        table.add_row(name, measured, bar, {True: "yes", False: "NO", None: ""}[met])
    Console().print(table)


if __name__ == "__main__":
    main()

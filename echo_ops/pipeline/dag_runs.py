"""Runs DAGs through Airflow without a scheduler, one after another, with progress and a log for each run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from echo_ops.errors import EchoError
from echo_ops.pipeline.dags_test import FINISHED

Report = Callable[[str], None]
RunDag = Callable[[str, Mapping[str, Any], Report], Path]


def run_dag(env: Mapping[str, str], dag_id: str, conf: Mapping[str, Any], report: Report = lambda _: None) -> Path:
    """One run of one DAG; see ``dag_runner``, which is faster for several."""
    with dag_runner(env) as run:
        return run(dag_id, conf, report)


@contextmanager
def dag_runner(env: Mapping[str, str]) -> Iterator[RunDag]:
    """A function ``run(dag_id, conf, report)`` that runs a DAG to its end by ``airflow dags test``.

    All runs of one context share a process, see ``dags_test``. ``run`` returns the path of its log,
    ``<home>/logs/<dag_id>-<values of conf>.log``, and tells ``report`` in a line
    each of the tasks that start and end.

    Args:
        env: of ``airflow_home.environment``; the database is migrated.

    Raises:
        EchoError: by ``run``: the DAG failed; the message has the last error line and the path of the log.
    """
    logs = Path(env["AIRFLOW_HOME"]).parent / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "echo_ops.pipeline.dags_test"],
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        bufsize=1,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    requests, output = process.stdin, process.stdout

    def run(dag_id: str, conf: Mapping[str, Any], report: Report) -> Path:
        name = "-".join([dag_id, *(str(value) for value in conf.values())])
        log = logs / (re.sub(r"[^\w.-]", "_", name) + ".log")
        requests.write(json.dumps([dag_id, dict(conf)]) + "\n")
        reader = _Reader(report)
        with log.open("w") as copy:
            for line in output:
                if line.startswith(FINISHED):
                    if line.split()[-1] == "0":
                        return log
                    break
                copy.write(line)
                reader.read(line.rstrip())
        raise EchoError(f"{dag_id} {json.dumps(dict(conf))} failed: {reader.error or reader.last}; see {log}")

    try:
        yield run
        requests.close()
        process.wait(timeout=30)
    finally:
        # tasks may have started processes of their own; the session is ours, so all of it ends here
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Reader:
    """Finds tasks and errors in the output of ``airflow dags test``."""

    _TASK = re.compile(r"\[DAG TEST\] (starting|end task) task_id=(\S+) map_index=(-?\d+)")

    def __init__(self, report: Report) -> None:
        self.error = ""
        self.last = "no output"
        self._report = report
        self._in_traceback = False
        self._task_failed = False

    def read(self, line: str) -> None:
        if match := self._TASK.search(line):
            event, task_id, index = match.groups()
            task = task_id if index == "-1" else f"{task_id}[{index}]"
            ended = "failed" if self._task_failed else "done"
            self._report(f"{task} {'started' if event == 'starting' else ended}")
            self._task_failed = False
        elif "Task failed with exception" in line:
            self._task_failed = True
        elif line.startswith("Traceback (most recent call last)"):
            self._in_traceback = True
        elif self._in_traceback and line and not line.startswith(" "):
            # the first line below a traceback that is not indented names the exception
            self.error, self._in_traceback = line, False
        self.last = line or self.last

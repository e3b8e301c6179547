"""Progress of a long piece of work, and work in a process of its own.

Training needs torch and much memory; the worker that asks for it needs neither. So each long piece of work is also a
program, ``python -m echo_ops.training.<module> SPEC.json``, that prints one JSON object per line::

    {"progress": {"phase": "train", "done": 40, "total": 220, "loss": 1.93, "tokens": 81920}}
    {"result": {…}}                                    once, at the end; or
    {"error": {"kind": "TrainingError", "message": …}}

Everything else that libraries print goes to stderr, which is the caller's own and so lands in its log.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from echo_ops.errors import EchoError, InputError, TrainingError

LIFELINE = "ECHO_TRAINING_LIFELINE"
"""Set in a child whose stdin ends when its parent does: an orphan must not train on beside its own retry."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work has come. ``done`` and ``total`` are in steps or rows, as the phase has it."""

    phase: str
    done: int
    total: int
    loss: float | None = None  # mean nats per token since the last report
    tokens: int = 0  # so far


Report = Callable[[Progress], None]
"""Takes a progress report; called from the thread that works."""


def silent(progress: Progress) -> None:
    """Takes a report and does nothing with it."""


def run_apart(module: str, spec: dict[str, Any], report: Report, threads: int | None = None) -> dict[str, Any]:
    """Run ``python -m module SPEC.json`` and give its result.

    Args:
        module: full name of a module whose main is ``serve``.
        spec: what the program is told; plain JSON.
        report: is told of the progress.
        threads: CPU threads of the program; unset: as the environment has it, else all cores.

    Raises:
        InputError: the program refused its input.
        TrainingError: it failed, or was killed.
    """
    with tempfile.TemporaryDirectory(prefix="echo-training-") as folder:
        path = Path(folder) / "spec.json"
        path.write_text(json.dumps(spec, sort_keys=True), encoding="utf-8")
        with subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", module, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment_of(threads) | {LIFELINE: "1"},
            text=True,
            encoding="utf-8",
        ) as process:
            try:
                outcome = _relay(process, report)
            except BaseException:
                process.kill()
                raise
    if outcome is None:
        raise TrainingError(_death_of(module, process.returncode))
    return result_in(outcome)


def environment_of(threads: int | None) -> dict[str, str]:
    """The environment of a program that trains or evaluates; ``threads`` as in ``run_apart``."""
    # Threads that spin while they wait take the very cores they wait for: beside another busy process a small model
    # trained ten times slower. A short spin costs 4 % on a quiet machine; none at all, OMP_WAIT_POLICY=PASSIVE, 44 %.
    defaults = {"GOMP_SPINCOUNT": "10000", "TQDM_DISABLE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    own = {"PYTHONUNBUFFERED": "1"} | ({} if threads is None else {"OMP_NUM_THREADS": str(threads)})
    return {**defaults, **os.environ, **own}


def result_in(outcome: dict[str, Any]) -> dict[str, Any]:
    """The result in a program's last line.

    Raises:
        InputError, TrainingError: the line is an error.
    """
    if "result" in outcome:
        result: dict[str, Any] = outcome["result"]
        return result
    kind = InputError if outcome["error"]["kind"] == InputError.__name__ else TrainingError
    raise kind(outcome["error"]["message"])


def serve(work: Callable[[dict[str, Any], Report], dict[str, Any]]) -> int:
    """The main of a program that ``run_apart`` or ``run_detached`` starts; gives its exit status.

    Of several processes that do the work together, the first one gives the result, and any of them an error.
    """
    protocol = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not mix with the protocol
    if os.environ.get(LIFELINE):
        threading.Thread(target=_end_with_parent, daemon=True).start()

    def say(**line: Any) -> None:
        print(json.dumps(line), file=protocol)

    try:
        if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
            raise InputError("wanted is one argument, the JSON file with the specification")
        spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        result = work(spec, lambda progress: say(progress=asdict(progress)))
        if os.environ.get("RANK", "0") == "0":
            say(result=result)
        return 0
    except EchoError as error:
        kind = InputError if isinstance(error, InputError) else TrainingError
        say(error={"kind": kind.__name__, "message": str(error)})
        return error.exit_status
    except Exception as error:
        traceback.print_exc()
        say(error={"kind": TrainingError.__name__, "message": f"stopped by {type(error).__name__}; see the log above"})
        return 1


def _relay(process: subprocess.Popen[str], report: Report) -> dict[str, Any] | None:
    assert process.stdout is not None
    outcome = None
    for line in process.stdout:
        message = json.loads(line)
        if "progress" in message:
            report(Progress(**message["progress"]))
        else:
            outcome = message
    process.wait()
    return outcome


def _death_of(module: str, status: int) -> str:
    if status >= 0:
        return f"{module} ended with status {status} and said nothing; see the log above"
    name = signal.Signals(-status).name
    hint = (
        "; the system kills what takes too much memory: lower ECHO_TRAINING_DEVICE_BATCH_SIZE" if -status == 9 else ""
    )
    return f"{module} was killed by {name}{hint}"


def _end_with_parent() -> None:
    while os.read(0, 1024):  # not sys.stdin, whose lock a daemon thread would hold at exit
        pass
    os._exit(1)

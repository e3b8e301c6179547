import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from echo_ops.errors import InputError, TrainingError
from echo_ops.training.progress import LIFELINE, Progress, run_apart

PROGRAM = """
import os, signal, sys, time
from echo_ops.errors import InputError, TrainingError
from echo_ops.training.progress import Progress, serve

def work(spec, report):
    print("a library that prints on stdout")
    report(Progress("count", 1, 2, loss=0.5, tokens=7))
    match spec["end"]:
        case "result": return {"answer": spec["value"] + 1, "threads": os.environ.get("OMP_NUM_THREADS")}
        case "input": raise InputError("3 is too few")
        case "training": raise TrainingError("the loss is nan")
        case "bug": raise KeyError("users' code")
        case "kill": os.kill(os.getpid(), signal.SIGKILL)
        case "sleep": time.sleep(60)

if __name__ == "__main__":
    sys.exit(serve(work))
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "echo_test_program.py").write_text(PROGRAM)
    here = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(here)]))
    return "echo_test_program"


def test_progress_and_result_come_back(program: str) -> None:
    told: list[Progress] = []
    assert run_apart(program, {"end": "result", "value": 41}, told.append, threads=1) == {"answer": 42, "threads": "1"}
    assert told == [Progress("count", 1, 2, loss=0.5, tokens=7)]


@pytest.mark.parametrize(
    ("end", "kind", "message"),
    [
        ("input", InputError, "^3 is too few$"),
        ("training", TrainingError, "^the loss is nan$"),
        ("bug", TrainingError, "^stopped by KeyError; see the log above$"),
        ("kill", TrainingError, "was killed by SIGKILL; .*ECHO_TRAINING_DEVICE_BATCH_SIZE"),
    ],
)
def test_its_failure_becomes_ours(program: str, end: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as raised:
        run_apart(program, {"end": end}, lambda _: None)
    assert type(raised.value) is kind


def test_it_ends_when_the_caller_stops_listening(program: str) -> None:
    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_apart(program, {"end": "sleep"}, stop)
    assert time.monotonic() - began < 30  # and not the sixty seconds that it would sleep


def test_it_ends_with_its_parent(program: str, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text('{"end": "sleep"}')
    child = subprocess.Popen(
        [sys.executable, "-m", program, str(tmp_path / "spec.json")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, LIFELINE: "1"},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()
    child.stdin.close()  # what the system does when the parent is killed
    try:
        assert child.wait(30) == 1
    finally:
        child.stdout.close()
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)

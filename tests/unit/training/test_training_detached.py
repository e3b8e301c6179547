import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from echo_ops.errors import InputError, TrainingError, UnavailableError
from echo_ops.training.detached import halt, run_detached
from echo_ops.training.progress import Progress

PROGRAM = """
import os, pathlib, signal, sys, time
from echo_ops.errors import InputError
from echo_ops.training.detached import end_when_left
from echo_ops.training.progress import Progress, serve

def work(spec, report):
    end_when_left()
    notes = pathlib.Path(spec["notes"])
    with notes.open("a") as file:
        file.write(f"{os.getpid()}\\n")
    print("a library that prints on stdout")
    report(Progress("count", 1, 2, loss=0.5, tokens=7))
    match spec["end"]:
        case "input": raise InputError("3 is too few")
        case "kill": os.kill(os.getpid(), signal.SIGKILL)
        case "wait":
            while not notes.with_name("go").exists():
                time.sleep(0.05)
    return {"answer": spec.get("value", 0) + 1}

if __name__ == "__main__":
    sys.exit(serve(work))
"""

CALLER = """
import json, pathlib, sys
from echo_ops.training.detached import run_detached
given = json.loads(sys.argv[1])
run_detached(**given | {"folder": pathlib.Path(given["folder"])}, report=lambda progress: print("told", flush=True))
"""

FOREVER = 1e6


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """What ``run_detached`` takes for a program that waits for a file named go."""
    (tmp_path / "program.py").write_text(PROGRAM)
    return {
        "command": [sys.executable, str(tmp_path / "program.py")],
        "spec": {"end": "wait", "value": 41, "notes": str(tmp_path / "started")},
        "identity": "the same",
        "folder": tmp_path / "run",
        "patience": FOREVER,
    }


def started(folder: Path) -> list[int]:
    """The processes that were started."""
    path = folder / "started"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def killed_caller(given: dict[str, Any]) -> None:
    """Somebody who asked for the work, and was killed while it was under way."""
    plain = json.dumps(given | {"folder": str(given["folder"])})
    with subprocess.Popen([sys.executable, "-c", CALLER, plain], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "told\n"
        caller.kill()


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def is_gone(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        )  # ended; whoever takes its parent's place is slow
    except FileNotFoundError:
        return True


def test_progress_and_result_come_back_and_nothing_stays(
    given: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[Progress] = []
    (tmp_path / "go").touch()
    assert run_detached(**given, report=told.append) == {"answer": 42}
    assert told == [Progress("count", 1, 2, loss=0.5, tokens=7)]
    assert "a library that prints" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("end", "kind", "message"),
    [("input", InputError, "^3 is too few$"), ("kill", UnavailableError, "goes on from its last checkpoint")],
)
def test_its_failure_becomes_ours(given: dict[str, Any], end: str, kind: type[Exception], message: str) -> None:
    given["spec"]["end"] = end
    with pytest.raises(kind, match=message):
        run_detached(**given, report=lambda _: None)
    assert not given["folder"].exists()


def test_a_retry_follows_what_a_killed_caller_started(given: dict[str, Any], tmp_path: Path) -> None:
    killed_caller(given)
    told: list[Progress] = []

    def go_on(progress: Progress) -> None:
        told.append(progress)
        (tmp_path / "go").touch()

    assert run_detached(**given, report=go_on) == {"answer": 42}
    assert len(told) == len(started(tmp_path)) == 1


def test_a_retry_takes_the_result_of_what_ended_meanwhile(given: dict[str, Any], tmp_path: Path) -> None:
    killed_caller(given)
    (tmp_path / "go").touch()
    assert within(30, lambda: "result" in (tmp_path / "run" / "said").read_text())
    assert run_detached(**given, report=lambda _: None) == {"answer": 42}
    assert len(started(tmp_path)) == 1


def test_a_retry_starts_again_what_died_meanwhile(given: dict[str, Any], tmp_path: Path) -> None:
    killed_caller(given)
    os.kill(started(tmp_path)[0], 9)
    (tmp_path / "go").touch()
    assert run_detached(**given, report=lambda _: None) == {"answer": 42}
    assert len(started(tmp_path)) == 2


def test_what_was_started_for_something_else_is_stopped_first(given: dict[str, Any], tmp_path: Path) -> None:
    killed_caller(given)
    given["spec"]["value"] = 1
    (first,) = started(tmp_path)

    def go_on(_: Progress) -> None:
        assert is_gone(first)
        (tmp_path / "go").touch()

    assert run_detached(**given | {"identity": "another"}, report=go_on) == {"answer": 2}


def test_it_is_stopped_when_the_caller_is_interrupted(given: dict[str, Any], tmp_path: Path) -> None:
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    killed_caller(given)
    for _ in range(2):  # one that it found, and one that it started
        with pytest.raises(KeyboardInterrupt):
            run_detached(**given, report=interrupt)
        assert within(30, lambda: all(map(is_gone, started(tmp_path))))
        assert not given["folder"].exists()
    assert len(started(tmp_path)) == 2


def test_it_ends_itself_when_it_is_left_alone_or_told_to(given: dict[str, Any], tmp_path: Path) -> None:
    killed_caller(given | {"patience": 0.5})
    assert within(30, lambda: is_gone(started(tmp_path)[0]))
    killed_caller(given)
    halt(given["folder"])
    assert is_gone(started(tmp_path)[1])
    assert not given["folder"].exists()
    halt(given["folder"])  # nothing to stop


def test_one_that_does_not_stop_is_named(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr("echo_ops.training.detached.STOPS_WITHIN", 0.1)
    given["folder"].mkdir()
    with (given["folder"] / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TrainingError, match=r"run/lock did not stop within 0 s"):
            run_detached(**given, report=lambda _: None)

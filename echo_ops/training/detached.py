"""Work in a process that outlives who asked for it, and that whoever asks again is led back to.

A fine-tuning takes hours; the Airflow task that waits for it may be killed and tried again on the same machine. The
process has a session of its own and says what ``progress`` describes into files of a folder::

    lock       held by the process for as long as it lives; the kernel lets go of it, whatever ends the process
    followed   held, shared, by everyone who listens to it
    identity   what it was started for
    spec.json  what it was told
    said       one JSON object a line
    log        what libraries print
    stop       there when it shall end

Nobody's process id is written down, so none is ever mistaken for another process. A process that nobody has followed
for some time ends itself, like one whose folder is gone: it would train for a night that was given up.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from echo_ops.errors import TrainingError, UnavailableError
from echo_ops.training.progress import Progress, Report, environment_of, result_in

FOLDER, PATIENCE = "ECHO_TRAINING_RUN", "ECHO_TRAINING_RUN_PATIENCE"
"""Set in the process: its folder, and the seconds that it goes on without anyone who follows it."""

POLL = 0.2  # seconds
STOPS_WITHIN = 60.0  # seconds


def run_detached(
    command: Sequence[str],
    spec: Mapping[str, Any],
    identity: str,
    folder: Path,
    report: Report,
    patience: float,
    threads: int | None = None,
) -> dict[str, Any]:
    """Give the result of a program, started now, or found at work, or found to have ended meanwhile.

    One that was started for something else is stopped first. If the caller is interrupted, or ``report`` raises, the
    program is stopped; if the caller is killed, it goes on.

    Args:
        command: of the program, to which the path of a JSON file with ``spec`` is added; its main is ``serve``.
        identity: the same for the same work: what was started under another one is not waited for.
        folder: of this work alone; removed when the result was given.
        patience: seconds that the program goes on when nobody follows it.
        threads: CPU threads of the program; unset: as the environment has it, else all cores.

    Raises:
        InputError, TrainingError: the program refused its input; it failed.
        UnavailableError: it was killed; what it has saved is of use to the next try.
    """
    with _lock(folder, "followed", fcntl.LOCK_SH):
        process, lock = None, _taken(folder)
        if lock is None and _text(folder / "identity") != identity:
            _stop(folder)
            lock = _taken(folder)
        if lock is not None:
            with lock:
                if _text(folder / "identity") != identity or not _has_ended(folder):
                    process = _start(command, spec, identity, folder, lock, patience, threads)
        try:
            outcome = _follow(folder, report)
        except BaseException:
            if process is not None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            else:
                _stop(folder)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if process is not None:
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    if outcome is None:
        raise UnavailableError(
            f"{command[-1]} was killed; run it again and it goes on from its last checkpoint. The system kills what "
            "takes too much memory: then lower ECHO_TRAINING_DEVICE_BATCH_SIZE first"
        )
    return result_in(outcome)


def halt(folder: Path) -> None:
    """Stop the work of a folder, if any is under way, and forget it.

    Raises:
        TrainingError: it does not stop.
    """
    if folder.is_dir():
        _stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def end_when_left() -> None:
    """In the process: end it when it shall stop, or when nobody has followed it for long."""
    folder, patience = Path(os.environ[FOLDER]), float(os.environ[PATIENCE])

    def watch() -> None:
        alone_since: float | None = None
        while folder.is_dir() and not (folder / "stop").exists():
            if _is_free(folder, "followed"):
                alone_since = alone_since or time.monotonic()
                if time.monotonic() - alone_since > patience:
                    break
            else:
                alone_since = None
            time.sleep(POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# -- inner


def _start(
    command: Sequence[str],
    spec: Mapping[str, Any],
    identity: str,
    folder: Path,
    lock: IO[bytes],
    patience: float,
    threads: int | None,
) -> subprocess.Popen[bytes]:
    for name in ("stop", "said", "log"):
        (folder / name).unlink(missing_ok=True)
    (folder / "identity").write_text(identity, encoding="utf-8")
    path = folder / "spec.json"
    path.write_text(json.dumps(spec, sort_keys=True), encoding="utf-8")
    environment = environment_of(threads) | {FOLDER: str(folder), PATIENCE: str(patience)}
    with (folder / "said").open("ab") as said, (folder / "log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [*command, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=log,
            env=environment,
            start_new_session=True,
            pass_fds=[lock.fileno()],  # so the lock goes with the process, and not with us
        )


def _follow(folder: Path, report: Report) -> dict[str, Any] | None:
    """Listen until the process has ended; gives its last word, None where it was killed before."""
    outcome, waiting = None, b""
    with (folder / "said").open("rb") as said, (folder / "log").open("rb") as log:
        ended = False
        while not ended:
            ended = _is_free(folder, "lock")  # asked before reading: then what is read is all
            *lines, waiting = (waiting + said.read()).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "progress" in message:
                    report(Progress(**message["progress"]))
                else:
                    outcome = outcome or message  # of several processes, the first that failed knows why
            sys.stderr.write(log.read().decode(errors="replace"))
            if not ended:
                time.sleep(POLL)
    return outcome


def _stop(folder: Path) -> None:
    (folder / "stop").touch()
    until = time.monotonic() + STOPS_WITHIN
    while not _is_free(folder, "lock"):
        if time.monotonic() > until:
            raise TrainingError(
                f"the process that holds {folder / 'lock'} did not stop within {STOPS_WITHIN:.0f} s; kill it "
                "(`fuser` names it) and run this again"
            )
        time.sleep(POLL)


@contextmanager
def _lock(folder: Path, name: str, kind: int) -> Iterator[IO[bytes]]:
    """A lock on a file of the folder, which is there for as long as it is held."""
    path = folder / name
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            fcntl.flock(file, kind)
            with suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(file.fileno()).st_ino:  # else somebody removed the folder meanwhile
                    yield file
                    return


def _taken(folder: Path) -> IO[bytes] | None:
    """The lock of the process, held; None where a process has it."""
    for _ in range(3):  # somebody else may just be asking whether it is free
        file = (folder / "lock").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            time.sleep(POLL / 4)
        else:
            return file
    return None


def _is_free(folder: Path, name: str) -> bool:
    try:
        with (folder / name).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True


def _has_ended(folder: Path) -> bool:
    """Whether the process, which is gone, has said how it ended."""
    lines = (_text(folder / "said") or "").splitlines()
    return bool(lines) and "progress" not in json.loads(lines[-1])


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None

"""Python code that nobody has read, run where it can do little: for benchmarks that run what a model writes.

A program runs in namespaces of its own (mounts, processes, network, IPC), made by util-linux: it sees the interpreter,
read-only, and an empty ``/tmp`` in memory; no network, no process but its own, no environment of ours. It has no
capability, cannot gain one, and has limits on memory, processes, files and time. When it ends, or its time is up, all
that it started ends with it. Where the system gives no namespaces, nothing is run.
"""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from echo_ops.errors import InputError

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM = ("/usr", "/lib", "/lib64", "/bin")
"""What an interpreter needs beside its own folder: its libraries and their loader, and the tools that set limits."""

DYNAMIC_USERS = range(61184, 65520)
"""Users that belong to nobody, as systemd hands them out: limits on processes are per user, and root has none."""

WALL = 3
"""Times the CPU's seconds that a program may take by the clock: on a busy machine it waits for its turn."""

SETUP = """
set -e
root=$1; shift
mount -t tmpfs -o size={tmp_bytes},mode=755,nosuid,nodev none "$root"
for place in {places}; do
    if [ -L "$place" ]; then ln -s "$(readlink "$place")" "$root$place"; continue; fi
    [ -d "$place" ] || continue
    mkdir -p "$root$place"
    mount --bind "$place" "$root$place"
    mount -o remount,bind,ro,nosuid,nodev "$root$place"
done
mkdir -m 1777 "$root/tmp"
exec chroot "$root" "$@"
"""

CHILD = """
import os, sys
source = sys.stdin.buffer.read().decode()
verdict = os.dup(1)
os.dup2(2, 1)
os.chdir("/tmp")
try:
    exec(compile(source, "candidate.py", "exec"), {"__name__": "candidate"})
except BaseException as error:
    said = type(error).__name__
else:
    said = "passed"
os.write(verdict, said.encode())
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may take."""

    seconds: int = 10  # of CPU time, each process; WALL times as much by the clock
    memory_bytes: int = 512 * 2**20  # of each process
    processes: int = 8
    files: int = 64  # open at a time
    tmp_bytes: int = 16 * 2**20  # of all files together


def run(program: str, limits: Limits = Limits()) -> str:
    """How a program ended: ``passed``, the name of an exception, ``killed`` by a limit, or ``timeout`` by the clock."""
    status, said, _ = _run(program, limits, subprocess.DEVNULL)
    return said if status == 0 and said else "timeout" if status is None else "killed"


def run_all(programs: list[str], limits: Limits = Limits()) -> list[str]:
    """``run`` of each, as many at a time as there are CPUs.

    Raises:
        InputError: programs cannot be isolated here.
    """
    must_work()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda program: run(program, limits), programs))


def must_work() -> None:
    """Run a program that does nothing.

    Raises:
        InputError: programs cannot be isolated here.
    """
    try:
        status, said, told = _run("", Limits(), subprocess.PIPE)
    except OSError as error:
        status, said, told = 1, "", str(error)
    if status != 0 or said != "passed":
        reason = told.strip().splitlines()[-1:] or [f"status {status}"]
        raise InputError(
            f"code of a model cannot be run isolated here: {reason[0][:200]}; wanted are Linux with util-linux, and "
            "namespaces (in a container --cap-add SYS_ADMIN --security-opt seccomp=unconfined), or unset "
            "ECHO_EVALUATION_RUN_CODE"
        )


def _run(program: str, limits: Limits, stderr: int) -> tuple[int | None, str, str]:
    """Exit status, None where the time was up; what the program said; what was said on stderr."""
    with tempfile.TemporaryDirectory(prefix="echo-sandbox-") as folder:
        with subprocess.Popen(  # noqa: S603 (util-linux and our own interpreter; the program is data)
            _command(folder, limits),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={"PATH": PATH, "LANG": "C.UTF-8"},
            cwd="/",
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                said, told = process.communicate(program, WALL * limits.seconds)
            except subprocess.TimeoutExpired:
                process.kill()  # --kill-child ends its child, and with the first of the processes all end
                process.communicate()
                return None, "", ""
        return process.returncode, said, told or ""


def _command(folder: str, limits: Limits) -> list[str]:
    """unshare → mounts → chroot → no privileges → limits → the interpreter."""
    interpreter = Path(sys.executable).resolve()
    own = [str(place) for place in (Path(sys.base_prefix), interpreter.parents[1])]
    places = [*SYSTEM, *(place for place in dict.fromkeys(own) if not place.startswith(SYSTEM))]
    setup = SETUP.format(tmp_bytes=limits.tmp_bytes, places=" ".join(map(shlex.quote, places)))
    root = os.geteuid() == 0
    user = str(random.choice(DYNAMIC_USERS))
    return [
        *("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"),
        *(() if root else ("--user", "--map-root-user")),
        *("--", "sh", "-c", setup, "sh", folder),
        # a change of user forgets that the process is to end with its parent
        *("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--pdeathsig=KILL"),
        *(("--reuid", user, "--regid", user, "--clear-groups") if root else ()),
        *("--", "prlimit", f"--as={limits.memory_bytes}", f"--nproc={limits.processes}"),
        *(f"--nofile={limits.files}", "--core=0", f"--cpu={limits.seconds}"),
        *("--", str(interpreter), "-I", "-S", "-c", CHILD),
    ]

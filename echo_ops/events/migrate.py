"""Bring a database's schema ``echo`` up to date, and tell whether it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from psycopg2.extensions import connection as Connection

from echo_ops.errors import InputError
from echo_ops.events.postgres import connect
from echo_ops.sql import migrations, statement

OLDEST_SERVER = 140000
"""``server_version_num`` of the oldest PostgreSQL whose partitions, triggers and compression do what is needed."""

_LOCK = 0x6563686F  # "echo": one migration at a time in a database


@dataclass(frozen=True, slots=True)
class Migration:
    """One file ``NNNN_name.sql``."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()


def known(files: list[Path] | None = None) -> list[Migration]:
    """The migrations of this version, in order.

    Raises:
        InputError: a name is not ``NNNN_name.sql``, or the numbers are not 1, 2, 3 …
    """
    found = []
    for file in migrations() if files is None else files:
        match = re.fullmatch(r"(\d{4})_[a-z0-9_]+\.sql", file.name)
        if match is None:
            raise InputError(f"{file.name} is no name of a migration; wanted is NNNN_name.sql, lower case")
        found.append(Migration(int(match[1]), file.stem, file.read_text()))
    found.sort(key=lambda migration: (migration.number, migration.name))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise InputError(f"migration {migration.name} has number {migration.number}, expected is {expected:04}")
    return found


def migrate(url: str, files: list[Path] | None = None) -> list[str]:
    """Apply what is missing, in order, each in a transaction of its own; gives the names of what was applied.

    Args:
        url: libpq URL of the database; its role must be allowed to make a schema, or own ``echo``.
        files: other migrations than this version's, for tests.

    Raises:
        InputError: a migration was edited after it was applied, the database is of a newer version, the server is too
            old, or the role may not.
        UnavailableError: the server does not answer.
    """
    wanted = known(files)
    done = []
    with connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        if connection.server_version < OLDEST_SERVER:
            raise InputError(f"PostgreSQL {connection.server_version // 10000} is too old; at least 14 is needed")
        cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))  # released with the connection
        cursor.execute(statement("migrations_ledger"))
        for migration in wanted[_agreed(connection, wanted) :]:
            connection.autocommit = False
            cursor.execute(migration.text)
            cursor.execute(
                "INSERT INTO echo.migrations (number, name, sha256) VALUES (%s, %s, %s)",
                (migration.number, migration.name, migration.sha256),
            )
            connection.commit()
            connection.autocommit = True
            done.append(migration.name)
    return done


def current(url: str, files: list[Path] | None = None) -> None:
    """Make sure that the schema is the one of this version.

    Raises:
        InputError: it is missing, behind or ahead; the message says what to run.
        UnavailableError: the server does not answer.
    """
    wanted = known(files)
    with connect(url) as connection:
        applied = _agreed(connection, wanted)
    if applied < len(wanted):
        raise InputError(
            f"the database has {applied} of {len(wanted)} migrations, and {wanted[applied].name} is next; "
            "run `echo-ops migrate`"
        )


def _agreed(connection: Connection, wanted: list[Migration]) -> int:
    """How many migrations are applied, once each is known to be as it was then."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('echo.migrations') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return 0
        cursor.execute("SELECT number, name, sha256 FROM echo.migrations ORDER BY number")
        applied = cursor.fetchall()
    if len(applied) > len(wanted):
        raise InputError(
            f"the database has {len(applied)} migrations, this version knows {len(wanted)}; use a newer echo-ops"
        )
    for (number, name, digest), migration in zip(applied, wanted, strict=False):
        if (number, digest) != (migration.number, migration.sha256):
            raise InputError(
                f"migration {name} was applied with SHA-256 {digest[:12]}…, the file {migration.name} has "
                f"{migration.sha256[:12]}…; restore the file, and put the change into a new migration"
            )
    return len(applied)

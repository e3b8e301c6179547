"""Connections to the Postgres with the events, and what its refusals mean in the words of ``echo_ops.errors``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import make_dsn, parse_dsn

from echo_ops.errors import EchoError, InputError, UnavailableError

CONNECT_TIMEOUT = 10
"""Seconds to wait for a connection, where the URL has no ``connect_timeout`` of its own."""

_REFUSALS = ("password", "authentication", "does not exist", "pg_hba.conf", "permission denied", "invalid")
"""What the server or libpq says when the URL is wrong, rather than the server away."""


def dsn(url: str) -> str:
    """``url`` (or a libpq keyword string) with our application name and a time limit, as both drivers take it.

    Raises:
        InputError: libpq does not understand it.
    """
    try:
        given = parse_dsn(url)
    except psycopg2.ProgrammingError:
        # libpq's own message quotes the URL, and with it the password.
        raise InputError(
            "the Postgres URL is not understood; wanted is postgresql://user:password@host:5432/database, "
            "with special characters percent-encoded (ECHO_POSTGRES_URL)"
        ) from None
    return str(make_dsn(**{"connect_timeout": CONNECT_TIMEOUT, "application_name": "echo-ops", **given}))


@contextmanager
def connect(url: str, *, autocommit: bool = False) -> Iterator[Connection]:
    """A psycopg2 connection; committed when the block ends well, rolled back when it does not.

    Raises:
        InputError: the URL, the password, the rights or the schema are wrong.
        UnavailableError: the server does not answer, or went away.
    """
    with translated(url):
        connection = psycopg2.connect(dsn(url))
        try:
            connection.autocommit = autocommit
            yield connection
            connection.commit()
        finally:
            connection.close()


class CopyError(Exception):
    """What libpq says of a COPY that failed.

    Args:
        state: SQLSTATE; None where there is no server to give one.
        message: in its words.
    """

    def __init__(self, state: str | None, message: str) -> None:
        super().__init__(message)
        self.state = state


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Errors of the drivers in the block, told as ours: one line, without password and without users' code."""
    from adbc_driver_manager import Error as AdbcError

    try:
        yield
    except psycopg2.Error as error:
        raise _told(url, error.pgcode, error.diag.message_primary or str(error)) from None
    except AdbcError as error:
        raise _told(url, error.sqlstate, str(error)) from None
    except CopyError as error:
        raise _told(url, error.state, str(error)) from None


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction came between, so that the same one may work when tried again."""
    state = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
    return state in ("40001", "40P01")


def _told(url: str, state: str | None, message: str) -> EchoError:
    """SQLSTATE decides; a connection that was never made has none, and then the words do."""
    server = _address(url)
    line = message.replace("[libpq]", "").strip().splitlines()[0] if message.strip() else "no reason given"
    if state is None:
        reason = line.rpartition("FATAL:")[2].strip()
        if any(word in reason for word in _REFUSALS):
            return InputError(f"{server} refuses the connection: {reason}; check ECHO_POSTGRES_URL")
        return UnavailableError(f"{server} does not answer: {reason}; start it, or check ECHO_POSTGRES_URL")
    if state in ("42P01", "3F000", "42883", "42703"):
        return InputError(f"{server} lacks the schema of this version ({state}); run `echo-ops migrate`")
    if state == "42501":
        return InputError(f"{server}: {line}; grant it (docs/operations/postgres.md names what each role needs)")
    if state.startswith("28") or state == "3D000":
        return InputError(f"{server} refuses the connection: {line}; check ECHO_POSTGRES_URL")
    if state.startswith(("08", "53", "57", "58")):
        return UnavailableError(f"{server} broke off ({state}): {line}; try again when it is back")
    if state in ("40001", "40P01"):
        return UnavailableError(f"{server} gave way to another transaction ({state}); try again")
    # A message can quote a value, and a value can be users' code: only the code of the error is told.
    return EchoError(f"{server} refused a statement of ours with SQLSTATE {state}; its log says more")


def _address(url: str) -> str:
    given = parse_dsn(url)
    host, port = given.get("host", "localhost"), given.get("port", "5432")
    return f"Postgres at {host}:{port}/{given.get('dbname', '')} as {given.get('user', '')}"

"""What queries find, as Arrow batches, by binary COPY.

Rows are taken apart by ``_copy_reader.c``, or by ADBC's driver, which takes twice as long, where no C compiler was
there when the package was built (docs/decisions/0014-rows-taken-apart-in-c.md). ``ECHO_PURE_PYTHON=1`` asks for the
driver.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Generator, Iterator, Sequence
from functools import cache
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2.extensions import connection as Connection

from echo_ops.errors import InputError
from echo_ops.events.postgres import CopyError, connect, dsn, translated
from echo_ops.schema.events import TIMESTAMP

try:
    from echo_ops.events import _copy_reader
except ImportError:
    _copy_reader = None  # type: ignore[assignment]

Batches = Iterator[pa.RecordBatch]

_KINDS = {pa.string(): "t", pa.int64(): "n", TIMESTAMP: "m"}
"""What ``_copy_reader`` calls the types that it knows."""

_COMMAND_OK, _COPY_OUT = 1, 3
"""Of libpq's ``ExecStatusType``."""

_SQLSTATE, _MESSAGE = ord("C"), ord("M")
"""Fields of libpq's errors: ``PG_DIAG_SQLSTATE`` and ``PG_DIAG_MESSAGE_PRIMARY``."""

_BROKEN_OFF = -2
"""What ``PQgetCopyData`` gives when there was an error; -1 is the end of the data."""


def compiled() -> bool:
    """Whether rows are taken apart by compiled code."""
    return _copy_reader is not None and os.environ.get("ECHO_PURE_PYTHON") != "1" and _libpq() is not None


def copied(url: str, queries: Sequence[str], schema: pa.Schema, most_bytes: int) -> Generator[Batches, None, None]:
    """What each query finds. Each is a transaction of its own: whoever drops a table waits for one at most.

    Args:
        url: of the database.
        queries: complete, for COPY takes no values.
        schema: of what they find: strings, 64-bit integers, and ``TIMESTAMP``.
        most_bytes: of a batch, about.

    Returns:
        One stream a query, to be read before the next one is asked for. What goes wrong is raised there.

    Raises:
        InputError: the rows do not fit the schema; or as ``postgres.connect``.
        UnavailableError: see ``postgres.connect``.
    """
    with translated(url):
        for stream in (_compiled if compiled() else _by_adbc)(url, queries, schema, most_bytes):
            yield _translated(url, stream)


def _translated(url: str, stream: Batches) -> Batches:
    with translated(url):
        yield from stream


def _by_adbc(url: str, queries: Sequence[str], schema: pa.Schema, most_bytes: int) -> Iterator[Batches]:
    from adbc_driver_postgresql import StatementOptions, dbapi

    with dbapi.connect(dsn(url), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(most_bytes)})
        for query in queries:
            cursor.execute(query)
            yield _cast(cursor.fetch_record_batch(), schema)


def _cast(batches: Batches, schema: pa.Schema) -> Batches:
    try:
        for batch in batches:
            yield batch.cast(schema)
    except OSError as error:  # what Arrow makes of the driver's errors, without their SQLSTATE
        message = str(error)
        away = "FATAL:" in message or "closed the connection" in message
        raise CopyError("57P01" if away else "XX000", message) from None


def _compiled(url: str, queries: Sequence[str], schema: pa.Schema, most_bytes: int) -> Iterator[Batches]:
    with connect(url, autocommit=True) as connection:
        connection.set_client_encoding("UTF8")
        copy = _Copy(connection, schema, most_bytes)
        for query in queries:
            copy.start(query)
            yield copy.batches()


class _Copy:
    """One COPY after the other, over a connection that does nothing else meanwhile.

    Args:
        connection: in autocommit. A stream that is read after it was closed fails.
        schema, most_bytes: as of ``copied``.
    """

    def __init__(self, connection: Connection, schema: pa.Schema, most_bytes: int) -> None:
        self._libpq: Any = _libpq()
        self._connection = connection
        self._schema = schema
        self._most_bytes = most_bytes
        self._room = (0,) * len(schema)  # for texts: as much as the last batch had, and an eighth

    def start(self, query: str) -> None:
        """Send the query."""
        statement = f"COPY ({query}) TO STDOUT (FORMAT binary)"
        self._check(self._libpq.PQexec(self._connection.pgconn_ptr, statement.encode()), _COPY_OUT)

    def batches(self) -> Batches:
        """What it finds."""
        get_copy_data, free_memory = _address(self._libpq.PQgetCopyData), _address(self._libpq.PQfreemem)
        kinds = "".join(_KINDS[type_] for type_ in self._schema.types)
        status = 0
        while status >= 0:
            try:
                rows, status, columns = _copy_reader.read(
                    self._connection.pgconn_ptr or 0, get_copy_data, free_memory, kinds, self._room, self._most_bytes
                )
            except ValueError as error:
                raise InputError(f"what Postgres sends does not fit {self._schema.names}: {error}") from None
            self._room = tuple(size + size // 8 for _, _, _, (_, size, _) in columns)
            if rows and status != _BROKEN_OFF:
                arrays = [
                    _array(field.type, rows, *column) for field, column in zip(self._schema, columns, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._check(self._libpq.PQgetResult(self._connection.pgconn_ptr), _COMMAND_OK)
        while self._libpq.PQgetResult(self._connection.pgconn_ptr):  # none is left: the connection is idle again
            pass

    def _check(self, result: int | None, wanted: int) -> None:
        libpq = self._libpq
        try:
            if libpq.PQresultStatus(result) != wanted:
                state = libpq.PQresultErrorField(result, _SQLSTATE)
                message = libpq.PQresultErrorField(result, _MESSAGE) or libpq.PQerrorMessage(
                    self._connection.pgconn_ptr
                )
                raise CopyError(state.decode() if state else None, message.decode(errors="replace"))
        finally:
            libpq.PQclear(result)


def _array(type_: pa.DataType, rows: int, nulls: int, *buffers: tuple[int, int, Any]) -> pa.Array:
    valid, values, text = (pa.foreign_buffer(*buffer) for buffer in buffers)
    parts = [valid if nulls else None, values, *([text] if type_ == pa.string() else [])]
    return pa.Array.from_buffers(type_, rows, parts, nulls)


def _address(function: Any) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value


@cache
def _libpq() -> ctypes.CDLL | None:
    """The libpq that psycopg2 is linked to; None where it cannot be found by way of it."""
    libpq = ctypes.CDLL(psycopg2._psycopg.__file__)
    connection = result = ctypes.c_void_p
    try:
        libpq.PQexec.argtypes, libpq.PQexec.restype = [connection, ctypes.c_char_p], result
        libpq.PQgetResult.argtypes, libpq.PQgetResult.restype = [connection], result
        libpq.PQerrorMessage.argtypes, libpq.PQerrorMessage.restype = [connection], ctypes.c_char_p
        libpq.PQresultErrorField.argtypes, libpq.PQresultErrorField.restype = [result, ctypes.c_int], ctypes.c_char_p
        libpq.PQresultStatus.argtypes = libpq.PQclear.argtypes = [result]
        return libpq if libpq.PQgetCopyData and libpq.PQfreemem else None
    except AttributeError:
        return None

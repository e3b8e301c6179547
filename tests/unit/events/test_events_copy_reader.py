"""Rows of a binary COPY, taken apart in C: what PostgreSQL sends, and what it never should."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from echo_ops.events.copy_reader import _array, compiled

if not compiled():
    pytest.skip("no C compiler was there when the package was installed", allow_module_level=True)

from echo_ops.events import _copy_reader

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER = struct.pack("!h", -1)
TYPES = [pa.string(), pa.int64(), pa.timestamp("us", "UTC")]


class Server:
    """Gives messages as libpq does, and counts those that nobody freed."""

    def __init__(self, messages: Sequence[bytes], status: int = -1) -> None:
        self.messages = list(messages)
        self.status = status
        self.held: dict[int, Any] = {}
        self.get = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int)(
            self._get
        )
        self.free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._free)

    def _get(self, _connection: int, message: Any, _async: int) -> int:
        if not self.messages:
            return self.status
        text = self.messages.pop(0)
        # To the byte: a look behind it is found by an address sanitizer.
        held = (ctypes.c_char * len(text)).from_buffer_copy(text)
        message[0] = ctypes.addressof(held)
        self.held[ctypes.addressof(held)] = held
        return len(text)

    def _free(self, message: int) -> None:
        del self.held[message]

    def read(self, kinds: str = "tnm", most: int = 1 << 20, room: tuple[int, ...] | None = None) -> Any:
        addresses = [ctypes.cast(function, ctypes.c_void_p).value for function in (self.get, self.free)]
        return _copy_reader.read(1, *addresses, kinds, room or (0,) * len(kinds), most)


def row(*values: bytes | None) -> bytes:
    told = b"".join(
        struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value for value in values
    )
    return struct.pack("!h", len(values)) + told


def arrays(rows: int, columns: Any) -> list[list[Any]]:
    made = [_array(type_, rows, *column) for type_, column in zip(TYPES, columns, strict=True)]
    for array in made:
        array.validate(full=True)
    return [
        array.cast(pa.int64()).to_pylist() if pa.types.is_timestamp(array.type) else array.to_pylist() for array in made
    ]


def test_texts_numbers_and_times_with_and_without_nulls() -> None:
    server = Server(
        [
            HEADER + row("é😀".encode(), struct.pack("!q", -5), struct.pack("!q", 1)),
            row(b"", struct.pack("!i", -(2**31)), struct.pack("!q", -946684800000000)),
            row(None, struct.pack("!h", 7), None),
            *[row(b"x" * size, None, None) for size in range(100)],
            TRAILER,
        ]
    )
    rows, status, columns = server.read(room=(3, 0, 0))
    assert (rows, status, server.held) == (103, -1, {})
    texts, numbers, times = arrays(rows, columns)
    assert texts == ["é😀", "", None, *("x" * size for size in range(100))]
    assert numbers == [-5, -(2**31), 7, *[None] * 100]
    assert times == [946684800000001, 0, *[None] * 101]


def test_infinite_times_are_far_off_and_in_order() -> None:
    times = (2**63 - 1, 0, -(2**63))
    rows, _, columns = Server([row(None, None, struct.pack("!q", time)) for time in times]).read()
    epoch = 946684800000000
    assert arrays(rows, columns)[2] == [2**61 + epoch, epoch, epoch - 2**61]


def test_a_stream_in_batches_is_the_same_rows() -> None:
    server = Server(
        [HEADER + row(b"a" * 50, None, None), *[row(bytes([97 + n]) * 50, None, None) for n in range(1, 9)], TRAILER]
    )
    texts, status = [], 0
    while status >= 0:
        rows, status, columns = server.read(most=150)
        assert rows <= 3
        texts += arrays(rows, columns)[0]
    assert texts == [chr(97 + n) * 50 for n in range(9)]


def test_nothing_found_and_broken_off() -> None:
    assert Server([HEADER + TRAILER]).read()[:2] == (0, -1)
    assert Server([HEADER], status=-2).read()[:2] == (0, -2)
    rows, _, columns = Server([]).read()
    assert arrays(rows, columns) == [[], [], []]


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        (row(b"a", None), "another number of columns"),
        (row(b"a", None, None)[:-2], "cut off"),
        (row(b"a", None, None)[:7] + struct.pack("!i", 9), "cut off"),
        (struct.pack("!hi", 3, -2), "cut off"),
        (struct.pack("!hi", 3, 2**31 - 1), "cut off"),
        (b"\0", "cut off"),
        (HEADER[:15] + struct.pack("!i", 4), "header is cut off"),
        (HEADER[:15] + struct.pack("!i", -4), "header is cut off"),
        (row(None, b"abc", None), "2, 4 or 8 bytes"),
        (row(None, b"", None), "2, 4 or 8 bytes"),
    ],
)
def test_what_postgres_never_sends_is_refused_by_row_and_reason(message: bytes, wrong: str) -> None:
    server = Server([HEADER + row(b"secret", None, None), message])
    with pytest.raises(ValueError, match=f"row 1: .*{wrong}") as caught:
        server.read()
    assert "secret" not in str(caught.value)
    assert server.held == {}


def test_arguments_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="room for 1 columns, where there are 3"):
        Server([]).read(room=(5,))
    with pytest.raises(OverflowError):
        Server([]).read(room=(-1, 0, 0))

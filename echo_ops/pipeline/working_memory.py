"""Memory that is kept between two batches of the same size, rather than given back and asked for anew.

A batch or a bucket is tens of megabytes, and so is the next one. Where the allocator returns them to the system in
between, the system has to find and clear every page again: as much time as lz4 and sorting take together.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
"""Parameters of glibc's ``mallopt``, see mallopt(3)."""

_KEEP = {_TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 << 20, _MMAP_MAX: 0, _ARENA_MAX: 1}
_USUAL = {_TRIM_THRESHOLD: 1 << 17, _TOP_PAD: 1 << 17, _MMAP_MAX: 65536, _ARENA_MAX: 0}


@contextmanager
def kept_memory() -> Iterator[None]:
    """In the block, freed memory stays with the process; afterwards it goes back to the system.

    Arrow and the reader of rows share one heap meanwhile. Does nothing for Arrow where the C library is not glibc.
    """
    c_library = ctypes.CDLL(None)
    tunable = hasattr(c_library, "mallopt") and hasattr(c_library, "malloc_trim")
    pool = pa.default_memory_pool()
    if tunable:
        for parameter, value in _KEEP.items():
            c_library.mallopt(parameter, value)
        pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        if tunable:
            pa.set_memory_pool(pool)
            for parameter, value in _USUAL.items():
                c_library.mallopt(parameter, value)
            c_library.malloc_trim(0)

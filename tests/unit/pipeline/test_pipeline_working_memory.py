"""Kept memory serves Arrow in the block alone."""

import platform

import pyarrow as pa
import pytest

from echo_ops.pipeline.working_memory import kept_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_the_allocator_is_the_systems_in_the_block_and_the_one_of_before_after_it() -> None:
    before = pa.default_memory_pool().backend_name
    with kept_memory():
        assert pa.default_memory_pool().backend_name == "system"
        kept = pa.array(["text"] * 1000)
    assert pa.default_memory_pool().backend_name == before
    assert kept.to_pylist() == ["text"] * 1000

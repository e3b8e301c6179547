"""Marks of tests that speak to vLLM's real server. ``ECHO_TEST_VLLM=0`` leaves them out."""

from __future__ import annotations

import os

import pytest
from vllm_server import missing

_REASON = "ECHO_TEST_VLLM=0" if os.environ.get("ECHO_TEST_VLLM") == "0" else missing()

MARKS = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.skipif(_REASON is not None, reason=_REASON or "")]

"""The teacher's benchmark still runs; how fast is not asked."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_teacher_is_measured_in_every_way_that_needs_no_model() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "teacher.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "120"})
    assert done.returncode == 0, done.stderr
    rerun = next(line for line in done.stdout.splitlines() if "of a rerun" in line)
    assert "yes" in rerun
    for row in ("`syntax` takes what was meant", "server busy"):
        assert row in done.stdout

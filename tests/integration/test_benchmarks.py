"""The benchmarks still run; how fast is not asked."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_harvest_is_measured_in_every_way() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "harvest.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for table in ("reconstruct alone", "events from snapshots", "events from edits"):
        assert table in done.stdout


@pytest.mark.slow
def test_the_trainer_is_measured_beside_its_peers() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "training.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in ("ours", "TRL, our order", "bare loop", "padding: "):
        assert line in done.stdout

"""Work over several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from echo_ops.errors import InputError, UnavailableError
from echo_ops.pipeline.processes import cpus, side_by_side


def square(number: int) -> tuple[int, int]:
    if number == 1:
        time.sleep(0.2)  # a later part is done first
    return os.getpid(), number * number


def refuse(number: int) -> int:
    raise InputError(f"part {number} makes no sense")


def die(_number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_parts(processes: int) -> None:
    found = list(side_by_side(square, range(7), processes))
    assert [result for _, result in found] == [number * number for number in range(7)]
    assert (os.getpid() in {process for process, _ in found}) == (processes == 1)


def test_an_error_of_the_work_is_told_as_it_is() -> None:
    with pytest.raises(InputError, match="part 0 makes no sense"):
        list(side_by_side(refuse, range(3), 2))


def test_a_process_that_is_killed_is_said() -> None:
    with pytest.raises(UnavailableError, match=r"one of 2 processes was killed.*ECHO_HARVEST_PROCESSES"):
        list(side_by_side(die, range(4), 2))


def test_parts_are_taken_as_results_are_read() -> None:
    taken: list[int] = []
    results = side_by_side(square, (taken.append(number) or number for number in range(50)), 2)
    next(results)
    assert len(taken) == 3
    results.close()  # type: ignore[attr-defined]


def test_none_outlives_a_parent_that_is_killed() -> None:
    script = (
        "import os, signal\n"
        "from echo_ops.pipeline.processes import side_by_side\n"
        "from tests.unit.pipeline.test_pipeline_processes import square\n"
        "if __name__ == '__main__':\n"
        "    for process, _ in side_by_side(square, range(99), 2):\n"
        "        print(process, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[3]
    parent = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    child = int(parent.stdout)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the process goes on without its parent"
        time.sleep(0.05)


def test_there_is_a_cpu() -> None:
    assert 1 <= cpus() <= (os.cpu_count() or 1)

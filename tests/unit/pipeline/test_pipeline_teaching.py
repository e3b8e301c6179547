"""The shards of a day at one teacher: answers and budget in common."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import fixed_server
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vllm_server import free_port

from echo_ops.errors import BudgetError
from echo_ops.lake.tables import Lake
from echo_ops.pipeline import harvest, teaching
from echo_ops.pipeline.manifest import Manifest
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.settings import Settings
from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.teacher.usage import Usage

DAY = date(2026, 11, 2)
AT = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, fixed_server.__file__, str(port), "0.001"])
    root = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{root}/busy").close()
            break
        except OSError:
            time.sleep(0.05)
    yield f"{root}/v1"
    process.kill()
    process.wait()


def settings(place: Path, url: str, **teacher: Any) -> Settings:
    given = {"url": url, "model": "fixed", "concurrency": 4, "price_input": 1.0} | teacher
    return Settings.model_validate({"home": place, "teacher": given})


def served(url: str) -> int:
    with urllib.request.urlopen(url.replace("/v1", "/busy")) as response:
        return int(json.load(response)["served"])


def lifecycles(shard: int, rows: int) -> pa.Table:
    base = dict.fromkeys(LIFECYCLES.names) | {
        "document_id": "d", "session_id": "s", "user_id": "u", "language": "python", "requested_at": AT,
        "received_at": AT, "prefix": "x = ", "suffix": "\n", "decision": "not_shown", "close_reason": "idle",
        "closed_at": AT, "evidence": "edits", "confidence": "exact", "policy": "default",
    }  # fmt: skip
    texts = [{"request_id": f"{shard}-{row:04d}", "committed": f"{shard}{row:04d}\ny = 1"} for row in range(rows)]
    return pa.Table.from_pylist([base | text for text in texts], schema=LIFECYCLES)


def staged(used: Settings, shard: int, rows: int) -> Manifest:
    """A shard as ``extract`` leaves it."""
    table = lifecycles(shard, rows)
    digest = Lake(used.lake_uri).stage(DAY, "lifecycles", shard, table)
    hashes = {"lifecycles": digest}
    return Manifest("extract", DAY.isoformat(), shard, 2, rows={"lifecycles": rows}, hashes=hashes)


def test_a_day_is_judged_and_judged_again_for_nothing(tmp_path: Path, url: str) -> None:
    used = settings(tmp_path, url)
    shards = [staged(used, shard, 30) for shard in range(2)]
    told: list[list[int]] = [[], []]
    judged = [harvest.judge(DAY, shard, used, each.append) for shard, each in zip(shards, told, strict=True)]
    spent = teaching.spent(DAY, used)
    assert spent.requests == 120
    for each in told:
        assert each == sorted(each)
        assert each[-1] == 30
    assert [harvest.judge(DAY, shard, used) for shard in shards] == judged
    assert teaching.spent(DAY, used) == spent  # so a published day is the same
    assert teaching.rows(spent, "teacher")["teacher_requests"] == 120
    (note,) = teaching.notes(spent, used.teacher)
    assert "120 requests" in note
    assert note.endswith(": 0.11")  # 120 × 900 prompt tokens at 1 a million


def test_the_budget_is_the_days_and_not_the_shards(tmp_path: Path, url: str) -> None:
    used = settings(tmp_path, url, max_requests=80)
    shards = [staged(used, shard, 30) for shard in range(2)]
    harvest.judge(DAY, shards[0], used)
    with pytest.raises(BudgetError, match="budget of 80 requests"):
        harvest.judge(DAY, shards[1], used)
    assert teaching.spent(DAY, used).requests == 80
    harvest.judge(DAY, shards[0], used)  # what is kept costs nothing
    more = settings(tmp_path, url, max_requests=200)
    harvest.judge(DAY, shards[1], more)
    assert 120 <= teaching.spent(DAY, more).requests <= 124  # a talk in flight may have lost its first answer
    other_day = date(2026, 11, 3)
    assert teaching.spent(other_day, used) == Usage()


def test_an_interrupt_keeps_what_was_answered(tmp_path: Path, url: str) -> None:
    used = settings(tmp_path, url)
    file = tmp_path / "lifecycles.parquet"
    pq.write_table(lifecycles(7, 3000), file)
    before = served(url)
    command = [str(Path(sys.executable).with_name("echo-ops")), "refine", str(file), "--teacher-url", url]
    command += ["--teacher-model", "fixed", "--out", str(tmp_path / "o"), "--dropped", str(tmp_path / "d")]
    process = subprocess.Popen(
        command, env={**os.environ, "ECHO_HOME": str(tmp_path), "ECHO_TEACHER_CONCURRENCY": "2"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    while served(url) < before + 100:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert not (tmp_path / "o").exists()
    kept = sum(pq.read_metadata(path).num_rows for path in Path(used.lake_uri).rglob("*.parquet"))
    asked = served(url) - before
    assert asked / 2 - 4 <= kept <= asked / 2


def test_nothing_is_reported_where_nobody_was_asked() -> None:
    free = TeacherSettings()
    assert teaching.rows(Usage(), "teacher") == {}
    assert teaching.notes(Usage(), free) == []
    assert teaching.figures(Usage(), free) == {}


def test_the_cost_is_shown_where_there_are_prices() -> None:
    usage = Usage(requests=3, prompt_tokens=2_000_000, output_tokens=500_000)
    assert "cost of the teacher" not in teaching.figures(usage, TeacherSettings())
    assert teaching.figures(usage, TeacherSettings(price_input=1.5, price_output=4.0))["cost of the teacher"] == "5.00"

"""The teacher's client against vLLM's real server, on a CPU, with a tiny random model.

One server for all; the restart comes last. ``ECHO_TEST_VLLM=0`` leaves this out.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vllm_server import ADAPTERS, MODEL, VllmServer

from echo_ops.pipeline.files import refine_file
from echo_ops.schema.lifecycles import LIFECYCLES
from echo_ops.schema.verdicts import VERDICTS_OF_A_TEACHER
from echo_ops.settings import Settings
from echo_ops.settings import Student as StudentSettings
from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.teacher import perplexity
from echo_ops.teacher.connect import connect
from echo_ops.teacher.cutpoints import cut_points
from echo_ops.teacher.perplexity import Text
from echo_ops.teacher.port import Question
from echo_ops.training.device import load_tokenizer
from echo_ops.training.fim import Layout
from tests.real_vllm import MARKS

ROOT = Path(__file__).parents[2]

pytestmark = MARKS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    pytest.importorskip("peft")
    folder = tmp_path_factory.mktemp("vllm")
    log = ROOT / ".echo" / "test-vllm.log"
    log.unlink(missing_ok=True)
    make = [sys.executable, str(ROOT / "benchmarks" / "vllm_server.py"), str(folder)]
    subprocess.run(make, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True)
    vllm = VllmServer(folder, log)
    try:
        yield vllm.start().wait()
    finally:
        vllm.kill()


def settings(server: VllmServer, **changed: Any) -> TeacherSettings:
    return TeacherSettings(**{"url": server.url, "concurrency": 8, "context_characters": 200, "model": MODEL} | changed)


def student_of(server: VllmServer) -> dict[str, Any]:
    """One at a time: with adapters on a CPU, vLLM 0.32 dies of the logprobs of two prompts in one batch."""
    tokenizer = str(server.folder / MODEL)
    return {"url": server.url, "model": MODEL, "tokenizer": tokenizer, "concurrency": 1, "patience": 30}


def question(number: int, lines: int = 1) -> Question:
    committed = f"total_{number}\n" + "".join(f"value_{line} = {line}\n" for line in range(lines))
    return Question("python", "x = ", "\n", "0", committed, cut_points("python", "x = ", committed, "\n"))


def test_answers_are_choices_with_their_probabilities(server: VllmServer) -> None:
    asked = [question(number, lines=20 if number % 2 else 1) for number in range(16)]
    assert {len(one.cuts) for one in asked} == {3, 12}  # ten and more: numbers of one digit and of two
    teacher = connect(settings(server))
    answers = teacher.ask(asked)
    for one, answer in zip(asked, answers, strict=True):
        assert answer is not None
        assert answer.cut.offset in {0, *(cut.offset for cut in one.cuts)}
        assert answer.verdict in VERDICTS_OF_A_TEACHER
        assert 0 < (answer.cut_probability or 0) < 1  # a random model is sure of nothing
        assert 0 < (answer.verdict_probability or 0) < 1
    usage = teacher.usage
    assert (usage.requests, usage.retries, usage.refused) == (32, 0, 0)
    assert usage.output_tokens <= 4 * len(asked)
    assert usage.cached_prompt_tokens > usage.prompt_tokens / 2  # the common part, and the first of both questions


def test_the_probabilities_of_all_choices_add_up_to_one(server: VllmServer) -> None:
    """vLLM takes the logarithm after the constraint: what the client keeps is a share among the choices."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "?"}], "max_tokens": 1, "temperature": 0.0}
    body |= {"logprobs": True, "top_logprobs": 3, "structured_outputs": {"choice": ["A", "B", "C"]}}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        first = json.load(response)["choices"][0]["logprobs"]["content"][0]
    assert {token["token"] for token in first["top_logprobs"]} == {"A", "B", "C"}
    assert sum(math.exp(token["logprob"]) for token in first["top_logprobs"]) == pytest.approx(1, abs=1e-3)


def test_a_question_that_is_too_long_is_left_out(server: VllmServer) -> None:
    long = Question("python", "é" * 9000, "", None, "1", cut_points("python", "", "1", ""))
    teacher = connect(settings(server, context_characters=9000))
    answers = teacher.ask([question(1), long, question(2)])
    assert [answer is None for answer in answers] == [False, True, False]
    assert teacher.usage.refused == 1


def test_a_student_scores_a_text_as_the_sum_of_its_tokens(server: VllmServer, tmp_path: Path) -> None:
    layout = Layout(load_tokenizer(str(server.folder / MODEL)))
    known = StudentSettings(**student_of(server))
    student = perplexity.connect(known, tmp_path)
    one, two = layout.render("x = ", "\n", "foo(bar)", 1024, 48), layout.render("x = ", "\n", "foo(bar)(bar)", 1024, 48)
    asked = [Text(example.context, example.lesson) for example in (one, two)]
    alone = Text(asked[0].context, asked[0].scored[:1])
    rest = Text([*asked[0].context, *asked[0].scored[:1]], asked[0].scored[1:])
    scores = student.score([*asked, alone, rest, Text(asked[0].context, asked[0].scored * 4000)])
    assert scores.pop() is None  # longer than the model's context
    whole, longer, first, others = [score or 0.0 for score in scores]
    # a random model is about as sure of each token as of any other of its 1024
    assert whole / len(one.lesson) == pytest.approx(math.log(1024), abs=0.7)
    assert longer > whole
    assert first + others == pytest.approx(whole, rel=1e-3)
    again = perplexity.connect(known, tmp_path)
    assert again.score(asked) == [whole, longer]
    assert again.usage.requests == 0


def test_refine_scores_lessons_under_the_student(server: VllmServer, tmp_path: Path) -> None:
    lifecycles = tmp_path / "lifecycles.parquet"
    pq.write_table(_lifecycles(40), lifecycles)
    student = student_of(server)
    asked = server.metric("vllm:request_success_total")
    for limit, hard in ((1.0, True), (50.0, False)):
        given = {"home": tmp_path, "student": student, "curation": {"max_student_nats": limit}}
        done = refine_file(lifecycles, tmp_path / "out", tmp_path / "dropped", Settings.model_validate(given))
        assert ("too_hard" in done.dropped) == hard
    assert server.metric("vllm:request_success_total") - asked == 40  # the second run asks nothing
    assert done.usage["answers of the student from the cache"] == "40"


def test_two_adapters_answer_by_their_own_names(server: VllmServer) -> None:
    for name in ADAPTERS:
        assert server.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(server.folder / name)}) == 200
    asked = [question(number) for number in range(4)]
    teachers = {name: connect(settings(server, model=name)) for name in (MODEL, *ADAPTERS)}
    answers = {name: teacher.ask(asked) for name, teacher in teachers.items()}
    probabilities = {tuple(answer and answer.cut_probability for answer in said) for said in answers.values()}
    assert len(probabilities) == 3  # each answers with weights of its own
    assert [teacher.name for teacher in teachers.values()] == [MODEL, *ADAPTERS]


def test_refine_and_its_rerun(server: VllmServer, tmp_path: Path) -> None:
    echo_ops = str(Path(sys.executable).with_name("echo-ops"))
    lifecycles = tmp_path / "lifecycles.parquet"
    pq.write_table(_lifecycles(40), lifecycles)
    environment = {**os.environ, "ECHO_HOME": str(tmp_path / ".echo"), "ECHO_TEACHER_PRICE_INPUT": "1"}
    environment |= {"ECHO_TEACHER_CONTEXT_CHARACTERS": "200", "COLUMNS": "120"}
    outputs = []
    for run in ("one", "two"):
        out, dropped = tmp_path / f"{run}.parquet", tmp_path / f"{run}-dropped.parquet"
        files = ["--out", str(out), "--dropped", str(dropped)]
        where = ["--teacher-url", server.url, "--teacher-model", MODEL, "--cache", str(tmp_path / "cache")]
        asked = server.metric("vllm:request_success_total")
        said = subprocess.run(
            [echo_ops, "refine", str(lifecycles), *files, *where], env=environment, capture_output=True, text=True
        )
        assert said.returncode == 0, said.stderr
        outputs.append((out.read_bytes(), dropped.read_bytes(), server.metric("vllm:request_success_total") - asked))
        rows = pq.read_table(out).num_rows + pq.read_table(dropped).num_rows
        assert rows == 40
        assert "cost" in said.stdout
    assert outputs[0][:2] == outputs[1][:2]
    assert (outputs[0][2], outputs[1][2]) == (80, 0)


def test_a_restart_in_the_middle_is_waited_for(server: VllmServer, tmp_path: Path) -> None:
    asked = [question(number) for number in range(1000, 1120)]
    teacher = connect(settings(server, retries=1, patience=600), tmp_path)
    killed = threading.Event()

    def restart() -> None:
        server.kill()
        server.start().wait()

    restarting = threading.Thread(target=restart)

    def progress(answered: int) -> None:
        if answered >= 40 and not killed.is_set():
            killed.set()
            restarting.start()

    answers = teacher.ask(asked, progress)
    restarting.join()
    assert None not in answers
    # beside two requests a question: those that were under way when it went, and the probes of a server that is away
    wasted = teacher.usage.requests - 2 * len(asked)
    assert 0 < wasted <= 8 + 8 + 600 / 15 + 6
    again = connect(settings(server), tmp_path)
    assert again.ask(asked) == answers
    assert (again.usage.requests, again.usage.cached) == (0, len(asked))


def _lifecycles(count: int) -> pa.Table:
    start = datetime(2026, 11, 2, tzinfo=UTC)
    rows = [
        {
            **{field.name: None for field in LIFECYCLES},
            "request_id": f"00000000-0000-0000-0000-{number:012d}",
            "document_id": f"d{number}",
            "session_id": f"s{number}",
            "user_id": f"u{number % 5}",
            "repository": f"r{number % 7}",
            "path": "a.py",
            "language": "python",
            "model_version": "m",
            "requested_at": start + timedelta(seconds=number),
            "received_at": start + timedelta(seconds=number),
            "prefix": f"def f_{number}(a):\n    x = ",
            "suffix": "\n    return x\n",
            "proposal": "a",
            "decision": "accepted",
            "committed": f"a + {number}\n    y = {number}",
            "close_reason": "idle",
            "closed_at": start + timedelta(seconds=number + 30),
            "evidence": "edits",
            "confidence": "exact",
            "kept_rate": 1.0,
            "policy": "default",
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=LIFECYCLES)

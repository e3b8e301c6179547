"""A served student's client, against a server that speaks as vLLM does, and against ones that do not."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from echo_ops.errors import BudgetError, TeacherError
from echo_ops.settings import Student as StudentSettings
from echo_ops.teacher.perplexity import Text, connect

END = 0


def answered(prompt: list[int]) -> tuple[int, dict[str, Any]]:
    """Each token costs a hundredth of its id; a likelier one stands beside it."""
    positions = [{"7": {"logprob": -0.001}, str(token): {"logprob": -token / 100}} for token in prompt]
    choices = [{"text": "x", "prompt_logprobs": [None, *positions[1:]]}]
    return 200, {"choices": choices, "usage": {"prompt_tokens": len(prompt), "completion_tokens": 1}}


class FakeVllm:
    """Completions of prompts in token ids, on loopback; remembers what it was asked."""

    def __init__(self) -> None:
        self.rule: Callable[[list[int]], tuple[int, dict[str, Any]]] = answered
        self.models = {"student": "/models/one"}
        self.asked: list[dict[str, Any]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.reply(200, {"data": [{"id": name, "root": root} for name, root in fake.models.items()]})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append(asked)
                self.reply(*fake.rule(asked["prompt"]))

            def reply(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def settings(self, **changed: Any) -> StudentSettings:
        url = f"http://127.0.0.1:{self.http.server_port}/v1"
        return StudentSettings(**{"url": url, "concurrency": 4, "retries": 0, "patience": 0} | changed)


@pytest.fixture
def vllm() -> Iterator[FakeVllm]:
    fake = FakeVllm()
    yield fake
    fake.http.shutdown()
    fake.http.server_close()


def texts(count: int, first: int = 0) -> list[Text]:
    return [Text([500, 7, number], [number + 1, 40, END]) for number in range(first, first + count)]


def test_the_text_and_its_end_are_scored_and_nothing_of_the_context(vllm: FakeVllm, tmp_path: Path) -> None:
    student = connect(vllm.settings(), tmp_path)
    assert student.score([Text([900, 901], [10, 20, END]), Text([1], [30])]) == pytest.approx([0.3, 0.3])
    assert vllm.asked[0]["prompt"] == [900, 901, 10, 20, END]
    assert (vllm.asked[0]["model"], vllm.asked[0]["max_tokens"], vllm.asked[0]["prompt_logprobs"]) == ("student", 1, 0)
    assert student.usage.prompt_tokens == 7


def test_a_rerun_asks_nothing_and_equal_texts_are_asked_once(vllm: FakeVllm, tmp_path: Path) -> None:
    first = connect(vllm.settings(), tmp_path).score(texts(30) + texts(30))
    assert first == pytest.approx([(number + 41) / 100 for number in range(30)] * 2)
    assert len(vllm.asked) == 30
    again = connect(vllm.settings(), tmp_path)
    assert again.score(texts(30) + texts(30)) == first
    assert (len(vllm.asked), again.usage.requests) == (30, 0)
    assert again.usage.cached >= 30


def test_another_model_under_the_same_name_is_asked_afresh(vllm: FakeVllm, tmp_path: Path) -> None:
    connect(vllm.settings(), tmp_path).score(texts(2))
    vllm.models = {"student": "/models/two"}
    connect(vllm.settings(), tmp_path).score(texts(2))
    assert len(vllm.asked) == 4


def test_a_student_that_goes_away_is_said_so_and_its_scores_are_kept(vllm: FakeVllm, tmp_path: Path) -> None:
    vllm.rule = lambda prompt: answered(prompt) if len(vllm.asked) <= 20 else (503, {})
    with pytest.raises(TeacherError, match=r"student at http.*answers 503.*ECHO_STUDENT_TIMEOUT.*are kept"):
        connect(vllm.settings(concurrency=1), tmp_path).score(texts(30))
    vllm.rule = answered
    vllm.asked.clear()
    assert None not in connect(vllm.settings(), tmp_path).score(texts(30))
    assert len(vllm.asked) == 10


def test_the_budget_stops_it_and_keeps_what_was_answered(vllm: FakeVllm, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"student: the budget of 20 requests.*ECHO_STUDENT_MAX_REQUESTS"):
        connect(vllm.settings(max_requests=20), tmp_path, shares_budget=True).score(texts(30))
    with pytest.raises(BudgetError):
        connect(vllm.settings(max_requests=20), tmp_path, shares_budget=True).score(
            texts(30)
        )  # the day's, not the run's
    assert len(vllm.asked) == 20
    connect(vllm.settings(), tmp_path).score(texts(30))
    assert len(vllm.asked) == 30


def test_what_the_server_cannot_take_has_no_score_and_is_not_asked_again(vllm: FakeVllm, tmp_path: Path) -> None:
    vllm.rule = lambda prompt: (400, {}) if prompt[2] == 3 else answered(prompt)
    for _ in range(2):
        scores = connect(vllm.settings(), tmp_path).score(texts(10))
        assert [number for number, nats in enumerate(scores) if nats is None] == [3]
    assert len(vllm.asked) == 10


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"choices": []},
        {"choices": [{"text": "x"}]},
        {"choices": [{"prompt_logprobs": [None, {"1": {"logprob": -1}}]}]},
        {"choices": [{"prompt_logprobs": [None, *[{"99999": {"logprob": -1}}] * 5]}]},
    ],
)
def test_a_server_that_gives_no_logprobs_is_not_trusted(vllm: FakeVllm, tmp_path: Path, wrong: dict[str, Any]) -> None:
    vllm.rule = lambda prompt: (200, wrong)
    with pytest.raises(TeacherError, match=r"of 60 texts without a score, 30 tolerated; .*prompt_logprobs"):
        connect(vllm.settings(), tmp_path).score(texts(1000))
    vllm.rule = answered  # put right, it is asked for all of them again
    assert None not in connect(vllm.settings(), tmp_path).score(texts(60))


def test_a_model_that_is_not_served_is_named(vllm: FakeVllm, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"serves 1 models \(student\), other is wanted; change ECHO_STUDENT_MODEL"):
        connect(vllm.settings(model="other"), tmp_path)

"""The client against a server that speaks as vLLM does, and against ones that do not."""

import json
import math
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from echo_ops.errors import BudgetError, TeacherError
from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.teacher.connect import connect
from echo_ops.teacher.cutpoints import cut_points
from echo_ops.teacher.port import SILENCE, Answer, Question
from echo_ops.teacher.syntax import SyntaxTeacher

Reply = tuple[int, str | None]  # status, and what is said; None breaks the connection
Rule = Callable[[dict[str, Any], int], Reply]  # the request, and how many came before it


class FakeServer:
    """An OpenAI-compatible server in this process, on loopback; remembers what it was asked."""

    def __init__(self) -> None:
        self.rule: Rule = last_choice
        self.models = ["tiny"]
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.reply(200, {"object": "list", "data": [{"id": m, "object": "model"} for m in server.models]})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server.lock:
                    before = len(server.asked)
                    server.asked.append(asked)
                    server.keys.add(self.headers["Authorization"])
                    server.in_flight += 1
                    server.most_in_flight = max(server.most_in_flight, server.in_flight)
                status, said = server.rule(asked, before)
                with server.lock:
                    server.in_flight -= 1
                if said is None:
                    self.close_connection = True
                elif status != 200:
                    self.reply(status, {"error": {"message": said}})
                else:
                    self.reply(200, completion(said))

            def reply(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def completion(said: str) -> dict[str, Any]:
    """What vLLM answers: the end of the text is a token with a logprob of its own, and no part of the answer."""
    tokens = [{"token": c, "logprob": math.log(0.5), "top_logprobs": []} for c in said]
    tokens.append({"token": "<|end|>", "logprob": -9.0, "top_logprobs": []})
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "tiny",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": said},
                "logprobs": {"content": tokens},
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    }


def choices(asked: dict[str, Any]) -> list[str]:
    found: list[str] = asked["structured_outputs"]["choice"]
    return found


def last_choice(asked: dict[str, Any], before: int) -> Reply:
    """All of the commit, and the first verdict."""
    offered = choices(asked)
    return 200, offered[-1] if offered[0] == "0" else offered[0]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.close()


def settings(server: FakeServer, **changed: Any) -> TeacherSettings:
    return TeacherSettings(
        **{"url": server.url, "model": "tiny", "concurrency": 4, "timeout": 10.0, "retries": 3, "patience": 0} | changed
    )


def question(committed: str) -> Question:
    return Question("python", "x = ", "\n", None, committed, cut_points("python", "x = ", committed, "\n"))


def questions(count: int) -> list[Question]:
    return [question(f"{number}\ny = 2") for number in range(count)]


def test_two_constrained_choices_and_their_probabilities(server: FakeServer) -> None:
    teacher = connect(settings(server, api_key="sesame"))
    asked = question("12\ny = 2")
    answers = teacher.ask([asked, question("")])
    assert answers == [Answer(asked.cuts[-1], 0.5, "fill", 0.5), SILENCE]
    assert [choices(request) for request in server.asked] == [["0", "1", "2"], list("ABCDE")]
    assert server.asked[1]["messages"][: len(server.asked[0]["messages"])] == server.asked[0]["messages"]
    assert {request["temperature"] for request in server.asked} == {0.0}
    assert server.keys == {"Bearer sesame"}
    assert (teacher.usage.requests, teacher.usage.output_tokens, teacher.name) == (2, 4, "tiny")


def test_nothing_of_a_commit_cannot_be_filled(server: FakeServer) -> None:
    server.rule = lambda asked, before: (200, choices(asked)[0])
    (answer,) = connect(settings(server)).ask([question("1")])
    assert answer is not None
    assert (answer.cut.offset, answer.verdict) == (0, "silence")
    assert choices(server.asked[1]) == list("BCDE")


def test_equal_questions_are_asked_once_and_all_are_answered_in_order(server: FakeServer) -> None:
    asked = questions(40)
    answers = connect(settings(server)).ask(asked + asked)
    assert [answer.cut for answer in answers if answer] == [one.cuts[-1] for one in asked] * 2
    assert len(server.asked) == 80
    assert server.most_in_flight <= 4


@pytest.mark.parametrize("trouble", [(429, "slow down"), (500, "oops"), (503, "loading"), (200, None)])
def test_passing_trouble_is_retried(server: FakeServer, trouble: Reply) -> None:
    server.rule = lambda asked, before: trouble if before < 2 else last_choice(asked, before)
    (answer,) = connect(settings(server)).ask([question("1")])
    assert answer is not None
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("status", "said", "requests", "message"),
    [
        (500, "oops", 4, "answers 500 after 3 retries"),
        (401, "who are you", 1, "ECHO_TEACHER_API_KEY"),
        (404, "no such model", 1, "ECHO_TEACHER_MODEL"),
    ],
)
def test_a_server_that_will_not_answer_is_said_so(
    server: FakeServer, status: int, said: str, requests: int, message: str
) -> None:
    server.rule = lambda asked, before: (status, said)
    with pytest.raises(TeacherError, match=message):
        connect(settings(server)).ask([question("1")])
    assert len(server.asked) == requests


def test_nobody_listens() -> None:
    nowhere = TeacherSettings(url="http://user:sesame@127.0.0.1:9/v1", model="tiny", retries=0)
    with pytest.raises(TeacherError, match="does not answer") as caught:
        connect(nowhere).ask([question("1")])
    assert "sesame" not in str(caught.value)


def test_a_question_that_the_server_cannot_take_is_left_out(server: FakeServer) -> None:
    server.rule = lambda asked, before: (400, "too long") if "7⟦1⟧" in str(asked) else last_choice(asked, before)
    teacher = connect(settings(server))
    answers = teacher.ask(questions(10))
    assert [answer is None for answer in answers] == [number == 7 for number in range(10)]
    assert teacher.usage.refused == 1


@pytest.mark.parametrize("said", ["", " 1", "The cut is 1.", "99"])
def test_a_few_answers_outside_the_choices_are_refused(server: FakeServer, said: str) -> None:
    server.rule = lambda asked, before: (200, said) if "7⟦1⟧" in str(asked) else last_choice(asked, before)
    answers = connect(settings(server)).ask(questions(10))
    assert [answer is None for answer in answers] == [number == 7 for number in range(10)]


def test_many_answers_outside_the_choices_are_an_error(server: FakeServer, tmp_path: Path) -> None:
    server.rule = lambda asked, before: (200, "Sure! The cut is 1.")
    with pytest.raises(TeacherError, match=r"10 of 10 questions .*, 4 tolerated.*structured_outputs"):
        connect(settings(server), tmp_path).ask(questions(10))
    server.rule = last_choice  # put right: the refusals were not kept
    assert None not in connect(settings(server), tmp_path).ask(questions(10))


def test_a_hopeless_server_is_not_asked_to_the_end(server: FakeServer) -> None:
    server.rule = lambda asked, before: (200, "no")
    with pytest.raises(TeacherError, match="without a valid answer"):
        connect(settings(server)).ask(questions(200))
    assert len(server.asked) < 100


def test_a_rerun_asks_nothing(server: FakeServer, tmp_path: Path) -> None:
    server.rule = lambda asked, before: (200, "?") if "7⟦1⟧" in str(asked) else last_choice(asked, before)
    first = connect(settings(server), tmp_path).ask(questions(10))
    asked = len(server.asked)
    again = connect(settings(server))
    assert connect(settings(server), tmp_path).ask(questions(10)) == first
    assert len(server.asked) == asked
    again.ask(questions(1))  # without the cache it is asked
    assert len(server.asked) == asked + 2


def test_what_was_answered_before_the_server_went_is_kept(server: FakeServer, tmp_path: Path) -> None:
    server.rule = lambda asked, before: last_choice(asked, before) if before < 20 else (500, "gone")
    with pytest.raises(TeacherError, match="answers so far are kept"):
        connect(settings(server, concurrency=1, retries=0), tmp_path).ask(questions(30))
    server.rule = last_choice
    asked = len(server.asked)
    assert None not in connect(settings(server), tmp_path).ask(questions(30))
    assert len(server.asked) - asked == 40  # ten talks were kept


def test_the_budget_stops_it_and_keeps_what_was_answered(server: FakeServer, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="20 requests"):
        connect(settings(server, max_requests=20, concurrency=1), tmp_path).ask(questions(30))
    assert len(server.asked) == 20
    assert None not in connect(settings(server), tmp_path).ask(questions(30))
    assert len(server.asked) == 60


def test_the_model_is_the_only_one_served(server: FakeServer) -> None:
    assert connect(settings(server, model=None)).name == "tiny"
    server.models = ["one", "two"]
    with pytest.raises(TeacherError, match=r"serves 2 models \(one, two\), 1 is wanted.*ECHO_TEACHER_MODEL"):
        connect(settings(server, model=None))


def test_without_a_url_it_is_syntax() -> None:
    assert isinstance(connect(TeacherSettings()), SyntaxTeacher)

"""The client against a server that speaks as vLLM does, and against ones that do not."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from echo_ops.errors import BudgetError, TeacherError
from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.teacher.client import _probability
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
        self.models: list[str] | None = ["tiny"]  # None: the server is gone
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.retry_after = "retry-after-ms: 1"
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                models = [{"id": m, "object": "model"} for m in server.models or ()]
                self.reply(503 if server.models is None else 200, {"object": "list", "data": models})

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
                self.send_header(*server.retry_after.split(": "))
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
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 2,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 7},
        },
    }


def choices(asked: dict[str, Any]) -> list[str]:
    found: list[str] = asked["structured_outputs"]["choice"]
    return found


def last_choice(asked: dict[str, Any], before: int) -> Reply:
    """All of the commit, and the first verdict."""
    offered = choices(asked)
    return 200, offered[-1] if offered[0] == "0" else offered[0]


def gone_during(server: FakeServer, requests: range) -> Rule:
    """A server that is away for some requests."""

    def rule(asked: dict[str, Any], before: int) -> Reply:
        server.models = None if before in requests else ["tiny"]
        return (503, "loading") if before in requests else last_choice(asked, before)

    return rule


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


@pytest.mark.parametrize("cut", ["9", "-1", "x", ""])
def test_an_answer_kept_by_other_hands_is_refused_where_it_makes_no_sense(
    server: FakeServer, tmp_path: Path, cut: str
) -> None:
    connect(settings(server), tmp_path).ask([question("1")])
    (path,) = tmp_path.rglob("*.parquet")
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, table.field(1), pa.array([cut])), path)
    assert connect(settings(server), tmp_path).ask([question("1")]) == [None]


def test_what_was_answered_before_the_server_went_is_kept(server: FakeServer, tmp_path: Path) -> None:
    server.rule = gone_during(server, range(20, 1000))
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


# -- troubles that pass, and troubles of one question


def test_a_slow_answer_is_given_up_and_asked_for_again(server: FakeServer) -> None:
    def slow_at_first(asked: dict[str, Any], before: int) -> Reply:
        if before == 0:
            time.sleep(1.0)
        return last_choice(asked, before)

    server.rule = slow_at_first
    teacher = connect(settings(server, timeout=0.3))
    assert None not in teacher.ask([question("1")])
    assert (teacher.usage.requests, teacher.usage.retries) == (3, 1)


def test_a_server_may_say_when_to_come_back(server: FakeServer) -> None:
    server.retry_after = "Retry-After: 0"
    server.rule = lambda asked, before: (429, "slow down") if before < 8 else last_choice(asked, before)
    start = time.monotonic()
    assert None not in connect(settings(server, retries=8)).ask([question("1")])
    assert time.monotonic() - start < 10  # our own waits would be 0.5 + 1 + 2 + 4 + 4 × 8 s, half of it at least


def test_a_server_that_stays_busy_is_said_so(server: FakeServer) -> None:
    server.rule = lambda asked, before: (429, "slow down") if before > 10 else last_choice(asked, before)
    with pytest.raises(TeacherError, match=r"answers 429 after 1 retries.*ECHO_TEACHER_CONCURRENCY"):
        connect(settings(server, retries=1, patience=60)).ask(questions(20))


def test_a_question_on_which_the_server_fails_is_left_out_and_asked_again_another_time(
    server: FakeServer, tmp_path: Path
) -> None:
    server.rule = lambda asked, before: (500, "oops") if "7⟦1⟧" in str(asked) else last_choice(asked, before)
    teacher = connect(settings(server, retries=1, patience=60), tmp_path)
    answers = teacher.ask(questions(30))
    assert [number for number, answer in enumerate(answers) if answer is None] == [7, 17, 27]
    assert teacher.usage.refused == 3
    server.rule = last_choice
    again = connect(settings(server), tmp_path)
    assert None not in again.ask(questions(30))
    assert again.usage.requests == 6


def test_the_last_question_on_which_the_server_fails_does_not_make_it_gone(server: FakeServer) -> None:
    server.rule = lambda asked, before: (500, "oops") if before >= 2 else last_choice(asked, before)
    answers = connect(settings(server, retries=1, patience=60, concurrency=1)).ask(questions(2))
    assert [answer is None for answer in answers] == [False, True]


def test_a_server_that_comes_back_is_waited_for(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = range(20, 45)
    server.rule = gone_during(server, gone)
    teacher = connect(settings(server, retries=1, patience=120))
    for name in ("FIRST_WAIT", "LONGEST_WAIT", "LOOK"):
        monkeypatch.setattr(f"echo_ops.teacher.breaker.{name}", 0.001)
    assert None not in teacher.ask(questions(40))
    assert len(server.asked) == 80 + len(gone)


# -- what it costs


def test_tokens_and_their_price(server: FakeServer) -> None:
    priced = settings(server, price_input=2.0, price_output=10.0)
    teacher = connect(priced)
    teacher.ask(questions(10))
    usage = teacher.usage
    assert (usage.prompt_tokens, usage.cached_prompt_tokens, usage.output_tokens) == (200, 140, 40)
    assert usage.cost(priced) == pytest.approx((200 * 2 + 40 * 10) / 1e6)
    assert usage.cost(settings(server)) is None


def test_a_budget_of_tokens(server: FakeServer, tmp_path: Path) -> None:
    teacher = connect(settings(server, max_tokens=100, concurrency=1), tmp_path)
    with pytest.raises(BudgetError, match="budget of 100 tokens"):
        teacher.ask(questions(30))
    assert 100 <= teacher.usage.tokens < 112  # the last request is paid for
    assert len(server.asked) == 9


def test_shards_share_a_budget_and_reruns_spend_on(server: FakeServer, tmp_path: Path) -> None:
    limits = settings(server, max_requests=50, concurrency=2)
    asked = questions(30)
    connect(limits, tmp_path, shares_budget=True).ask(asked[:10])
    with pytest.raises(BudgetError, match="budget of 50 requests"):
        connect(limits, tmp_path, shares_budget=True).ask(asked)
    assert len(server.asked) == 50
    with pytest.raises(BudgetError):  # a retry of the same step
        connect(limits, tmp_path, shares_budget=True).ask(asked)
    assert len(server.asked) == 50
    more = settings(server, max_requests=100)
    assert None not in connect(more, tmp_path, shares_budget=True).ask(asked)
    assert len(server.asked) <= 64  # four were lost at most: half a talk for each request in flight, twice


# -- how it asks


def test_questions_are_drawn_while_others_are_asked(server: FakeServer) -> None:
    asked_when_drawn = {}

    def drawn() -> Iterator[Question]:
        for number, one in enumerate(questions(100)):
            asked_when_drawn[number] = len(server.asked)
            yield one

    told: list[int] = []
    assert None not in connect(settings(server)).ask(drawn(), told.append)
    assert asked_when_drawn[0] == 0
    assert asked_when_drawn[99] > 0
    assert told == sorted(told)
    assert told[-1] == 100


def test_an_answer_is_one_token_where_that_is_enough(server: FakeServer) -> None:
    few, many = question("1"), question("".join(f"x{n} = {n}\n" for n in range(12)))
    connect(settings(server, concurrency=1)).ask([few, many])
    assert [request["max_tokens"] for request in server.asked] == [1, 1, 3, 1]
    assert choices(server.asked[2])[-1] == "12"


@pytest.mark.parametrize(
    ("said", "offered", "tokens", "probability"),
    [
        ("1", ["0", "1"], [("1", 0.5), ("<end>", 0.1)], 0.5),
        ("1", ["0", "1", "10"], [("1", 0.5), ("<end>", 0.5)], 0.25),  # the end is what says that it is not 10
        ("10", ["0", "1", "10"], [("1", 0.5), ("0", 0.5), ("<end>", 0.1)], 0.25),
        ("10", ["0", "1", "10"], [("10", 0.5)], 0.5),
        ("A", ["A", "B"], [("B", 0.5)], None),
        ("A", ["A", "B"], [], None),
    ],
)
def test_the_probability_of_an_answer(
    said: str, offered: list[str], tokens: list[tuple[str, float]], probability: float | None
) -> None:
    logprobs = [{"token": token, "logprob": math.log(share)} for token, share in tokens]
    assert _probability(said, offered, logprobs) == (probability and pytest.approx(probability))


def test_without_a_url_it_is_syntax() -> None:
    assert isinstance(connect(TeacherSettings()), SyntaxTeacher)

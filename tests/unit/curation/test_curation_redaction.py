"""What is found, and what becomes of it. Every secret is made up, in pieces, so that no scanner finds this file."""

import random
import string
from itertools import pairwise

import pytest

from echo_ops.curation.detectors import find
from echo_ops.curation.reasons import Reason
from echo_ops.curation.redaction import Redacted, redact
from echo_ops.curation.rule import Drop, Row

DICE = random.Random(7)


def random_text(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(DICE.choice(alphabet) for _ in range(length))


PEM = "\n".join(random_text(64) for _ in range(8))
BEGIN, END = ("-----" + word + " RSA PRIVATE KEY-----" for word in ("BEGIN", "END"))
GITHUB = "gh" + "p_" + random_text(36)
AWS = "AK" + "IA" + random_text(16, string.ascii_uppercase + "234567")

SECRETS = {
    "github": f"x = '{GITHUB}'",
    "aws": f"key({AWS!r})",
    "slack": "f('xo" + f"xb-{random_text(12, string.digits)}-{random_text(12, string.digits)}-{random_text(24)}')",
    "stripe": "s = 'sk" + f"_live_{random_text(24)}'",
    "google": "'AI" + f"za{random_text(35)}'",
    "private key": f"{BEGIN}\n{PEM}\n{END}",
    "private key, cut at its end": f"{BEGIN}\n{PEM}",
    "private key, cut at its start": f"{PEM}\n{END}\nx = 1",
    "token, cut": 'token = "gh' + f'p_{random_text(20)}"',
    "password in a url": f"postgres://admin:{random_text(16)}@db.acme.io/x",
    "password": 'db_password = "hunter2!"',
    "password as json": '{"password": "hunter2!"}',
    "password by keyword": "connect(password='hunter2!')",
    "environment": f"export API_TOKEN={random_text(30)}",
    "header": f"Authorization: Bearer {random_text(40)}",
    "hex": f'salt = "{random_text(32, "0123456789abcdef")}"',
    "base64": f'x = "{random_text(44)}"',
}

PERSONAL = {
    "EMAIL": ['author = "jane.doe@acme.io"', "# TODO(jane+x@mail.acme.co.uk): later"],
    "PHONE": ["call +49 170 1234567", "(415) 555-2671", "415-555-2671"],
    "IP_ADDRESS": ['host = "52.14.201.9"', 'x = "2a02:8108:8ac0:4d:a1b2::1"'],
}

HARMLESS = [
    'token = "identifier"; key = "name"; password = ""',
    'password = "<password>"; secret = "${SECRET}"; pwd = "your_password"',
    "127.0.0.1 0.0.0.0 192.168.0.1 255.255.255.0 ::1",
    "y = x@w.transpose(0); a[1:2:3]; std::vector<int>::iterator it;",
    'version = "1.2.3"; dt = "2024-01-02"; t = 12:34:56',
    "@app.route('/x')\ndef f(): ...",
    "git@github.com:a/b.git user@example.com noreply@acme.io",
    "uuid = '550e8400-e29b-41d4-a716-446655440000'; x = +1234; range(100, 200, 300)",
    "https://acme.io/a:b@c postgres://{user}:{password}@host/x",
    "for key in tokens: secret_names[key] = token",
]


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_secrets_are_found(text: str) -> None:
    assert "SECRET" in {finding.kind for finding in find(text)}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in PERSONAL.items() for text in texts])
def test_personal_data_is_found(kind: str, text: str) -> None:
    assert {finding.kind for finding in find(text)} == {kind}


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_left_alone(text: str) -> None:
    assert find(text) == []


def test_findings_are_apart_and_count_code_points() -> None:
    text = f"grüße 🙂 jane@acme.io, '{GITHUB}' 🙂 password = '{AWS}'"
    found = find(text)
    assert [text[f.start : f.end] for f in found] == ["jane@acme.io", GITHUB, AWS]
    assert all(a.end <= b.start for a, b in pairwise(found))


def row(prefix: str, lesson: str, suffix: str = "\n", committed: str | None = None, proposal: str | None = None) -> Row:
    committed = lesson if committed is None else committed
    return Row("python", prefix, suffix, proposal, committed, None, "fill", lesson)


def test_the_context_gets_typed_placeholders_the_same_for_the_same() -> None:
    said = redact(
        row(
            f"a = '{GITHUB}'\nmail('jane@acme.io', 'joe@acme.io')\nb = ",
            "f()",
            f"\nc = '{GITHUB}'\nmail('joe@acme.io')\n",
            committed=f"f()\nd = '{AWS}'",
            proposal=f"g('{AWS}')",
        )
    )
    assert said == Redacted(
        prefix="a = '<SECRET_1>'\nmail('<EMAIL_1>', '<EMAIL_2>')\nb = ",
        committed="f()\nd = '<SECRET_2>'",
        suffix="\nc = '<SECRET_1>'\nmail('<EMAIL_2>')\n",
        proposal="g('<SECRET_2>')",
    )


def test_a_secret_is_replaced_wherever_it_stands_in_the_row() -> None:
    said = redact(row("password = 'hunter2!!'\nlogin('hunter2!!')\nx = ", "1"))
    assert isinstance(said, Redacted)
    assert said.prefix == "password = '<SECRET_1>'\nlogin('<SECRET_1>')\nx = "


def test_a_proposal_is_read_after_its_line() -> None:
    said = redact(row("password = ", "ask()", proposal="'hunter2!!'"))
    assert isinstance(said, Redacted)
    assert said.proposal == "'<SECRET_1>'"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (row("x = ", f"'{GITHUB}'"), Reason.SECRET_IN_LESSON),
        (row(f"x = '{GITHUB[:9]}", f"{GITHUB[9:]}'"), Reason.SECRET_IN_LESSON),  # straddles the caret
        (row("x = ", f"'{GITHUB[:9]}", f"{GITHUB[9:]}'\n"), Reason.SECRET_IN_LESSON),
        (row("x = ", f"'{GITHUB[:9]}", committed=f"'{GITHUB}'"), Reason.SECRET_IN_LESSON),  # the cut is inside
        (row("password = 'hunter2!!'\nlogin(", "'hunter2!!')"), Reason.SECRET_IN_LESSON),  # known from elsewhere
        (row("x = ", "'jane@acme.io'"), Reason.PERSONAL_DATA_IN_LESSON),
    ],
)
def test_a_lesson_that_holds_any_is_dropped(text: Row, reason: Reason) -> None:
    assert redact(text) == Drop(reason)  # and the detail says nothing


def test_what_straddles_an_empty_lesson_is_replaced_on_both_sides() -> None:
    assert redact(row(f"x = '{GITHUB[:9]}", "", f"{GITHUB[9:]}'\n")) == Redacted(
        prefix="x = '<SECRET_1>", committed="", suffix="<SECRET_1>'\n", proposal=None
    )


def test_clean_text_stays_as_it_is() -> None:
    assert redact(row("x = ", "1", proposal="2")) == Redacted("x = ", "\n", "1", "2")


REPEATED = ["A", "KEY_", "key ", "A1b2", "1.", "a:", "a::", "key='", "a.b@", "a://b:", "+49", "Bearer a", "\n"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("piece", [*REPEATED, f"{END}\n", f"{BEGIN}\n", "password='hunter2!!' hunter2!!\n"])
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    redact(row(text, "1", text))  # an expression that looks back and forth would take hours

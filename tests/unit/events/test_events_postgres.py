"""What the errors of Postgres mean, and that no password is in what is said."""

from __future__ import annotations

import pytest

from echo_ops.errors import EchoError, InputError, UnavailableError
from echo_ops.events.postgres import _told, dsn

URL = "postgresql://u:hunter2@db.example:5433/events"
CODE = 'invalid input syntax for type json: "def my_secret_function():"'


@pytest.mark.parametrize(
    ("state", "message", "expected", "words"),
    [
        (None, 'connection to server at "db", port 1 failed: FATAL:  password authentication failed for user "u"',
         InputError, "refuses the connection: password authentication failed"),
        (None, 'connection to server at "db" failed: FATAL:  database "events" does not exist',
         InputError, 'database "events" does not exist'),
        (None, 'connection to server at "db" failed: Connection refused\n\tIs the server running?', UnavailableError,
         "Connection refused"),
        (None, 'connection failed: FATAL:  the database system is starting up', UnavailableError, "starting up"),
        (None, "", UnavailableError, "no reason given"),
        ("42P01", 'relation "echo.completion_events" does not exist', InputError, "run `echo-ops migrate`"),
        ("42501", "permission denied for table completion_events", InputError, "grant it"),
        ("57P01", "terminating connection due to administrator command", UnavailableError, "broke off"),
        ("53100", "could not extend file: No space left on device", UnavailableError, "No space left"),
        ("08006", "[libpq] server closed the connection unexpectedly", UnavailableError, "closed the connection"),
        ("40P01", "deadlock detected", UnavailableError, "try again"),
        ("22P02", CODE, EchoError, "SQLSTATE 22P02"),
    ],
)  # fmt: skip
def test_errors_are_told_as_ours(state: str | None, message: str, expected: type[EchoError], words: str) -> None:
    error = _told(URL, state, message)
    assert type(error) is expected
    assert words in str(error)
    assert "Postgres at db.example:5433/events as u" in str(error)
    assert "\n" not in str(error)
    assert "hunter2" not in str(error)
    assert "my_secret_function" not in str(error)


@pytest.mark.parametrize("url", ["postgres//u:hunter2@h/d", "hunter2", "host=h hunter2"])
def test_a_url_that_is_none_is_not_quoted(url: str) -> None:
    with pytest.raises(InputError, match="not understood; wanted is postgresql://") as caught:
        dsn(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_what_the_url_says_comes_first() -> None:
    assert "connect_timeout=3" in dsn(URL + "?connect_timeout=3&sslmode=require")
    assert "sslmode=require" in dsn(URL + "?sslmode=require")
    assert "connect_timeout=10" in dsn(URL)
    assert "application_name=echo-ops" in dsn(URL)
    assert dsn(dsn(URL)) == dsn(URL)

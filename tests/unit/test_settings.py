from pathlib import Path

import pytest

from echo_ops import settings
from echo_ops.errors import InputError


def test_variables_reach_their_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_TEACHER_MAX_REQUESTS", "5")
    monkeypatch.setenv("ECHO_ROLLOUT_SHARES", "[0.1, 0.5]")
    monkeypatch.setenv("ECHO_BASE_MODEL", "/models/base")
    loaded = settings.load()
    assert loaded.teacher.max_requests == 5
    assert loaded.rollout.shares == (0.1, 0.5)
    assert loaded.base_model == "/models/base"


def test_the_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "echo.toml"
    file.write_text("[harvest]\ngrace_hours = 5\nlead_minutes = 7\n")
    monkeypatch.setenv("ECHO_CONFIG", str(file))
    monkeypatch.setenv("ECHO_HARVEST_GRACE_HOURS", "2")
    assert settings.load().harvest.grace_hours == 2
    assert settings.load().harvest.lead_minutes == 7


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ECHO_TRAINING_LERNING_RATE", "1", "ECHO_TRAINING_LERNING_RATE"),
        ("ECHO_HARVEST_GRACE_HOURS", "25", "less than or equal to 24"),
        ("ECHO_HARVEST_POLICY", "lax", "'default' or 'strict'"),
        ("ECHO_CONFIG", "/nowhere/echo.toml", "/nowhere/echo.toml"),
    ],
)
def test_what_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=says):
        settings.load()


def test_secrets_are_neither_shown_nor_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_POSTGRES_URL", "postgresql://echo:hunter2@db/echo")
    monkeypatch.setenv("ECHO_TEACHER_API_KEY", "hunter2")
    monkeypatch.setenv("ECHO_ALERTS", "json://user:hunter2@host")
    loaded = settings.load()
    assert "hunter2" not in repr(loaded)
    assert "hunter2" not in loaded.shaping()


def test_the_digest_follows_what_shapes_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings.load().digest()
    monkeypatch.setenv("ECHO_POSTGRES_URL", "postgresql://elsewhere/echo")
    assert settings.load().digest() == before
    monkeypatch.setenv("ECHO_HARVEST_POLICY", "strict")
    assert settings.load().digest() != before


def test_another_database_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_HARVEST_POLICY", "strict")
    changed = settings.load().with_postgres("postgresql://elsewhere/echo")
    assert changed.postgres.url is not None
    assert changed.postgres.url.get_secret_value() == "postgresql://elsewhere/echo"
    assert changed.harvest.policy == "strict"

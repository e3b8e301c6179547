"""The environment of our Airflow: secrets, places, and settings as the tasks will see them."""

import json
from pathlib import Path

import pytest

from echo_ops.errors import InputError
from echo_ops.pipeline import airflow_home
from echo_ops.settings import Airflow, Rollout, Settings, Teacher, load

POSTGRES = "postgresql://echo:p%40ss@127.0.0.1:5499/echo_ops"


def test_secrets_are_private_and_kept(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    first = airflow_home.environment(settings)
    files = sorted((tmp_path / "airflow").iterdir())
    assert [file.name for file in files] == ["api.key", "fernet.key", "jwt.key", "passwords.json"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    contents = [file.read_text() for file in files]
    assert airflow_home.environment(settings) == first
    assert [file.read_text() for file in files] == contents
    assert len(set(contents)) == len(contents)


def test_secrets_are_not_in_the_environment(tmp_path: Path) -> None:
    """Tasks inherit it; Airflow reads them by command."""
    env = airflow_home.environment(Settings(home=tmp_path))
    keys = [(tmp_path / "airflow" / name).read_text() for name in ("fernet.key", "jwt.key", "api.key")]
    assert not [key for key in [*keys, airflow_home.password(tmp_path)] if key in json.dumps(env)]
    assert env["AIRFLOW__CORE__FERNET_KEY_CMD"] == f"cat {tmp_path}/airflow/fernet.key"


def test_every_home_has_secrets_of_its_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        airflow_home.environment(Settings(home=tmp_path / name))
    assert airflow_home.password(tmp_path / "a") != airflow_home.password(tmp_path / "b")


def test_the_fernet_key_is_one(tmp_path: Path) -> None:
    from cryptography.fernet import Fernet

    airflow_home.environment(Settings(home=tmp_path))
    Fernet((tmp_path / "airflow/fernet.key").read_text())


@pytest.mark.parametrize(
    ("named", "server", "expected"),
    [
        (None, None, "sqlite:///{home}/airflow/airflow.db"),
        (None, POSTGRES, "postgresql+psycopg2://echo:p%40ss@127.0.0.1:5499/airflow"),
        ("host=db user=a dbname=meta", POSTGRES, "postgresql+psycopg2://a@db:5432/meta"),
        (
            "postgresql://a:b@db/meta?sslmode=require",
            None,
            "postgresql+psycopg2://a:b@db:5432/meta?sslmode=require",
        ),
    ],
)
def test_where_airflow_keeps_its_database(tmp_path: Path, named: str | None, server: str | None, expected: str) -> None:
    settings = Settings(home=tmp_path, airflow=Airflow.model_validate({"database_url": named}))
    env = airflow_home.environment(settings, server)
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == expected.format(home=tmp_path)


def test_tasks_get_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        home=tmp_path,
        teacher=Teacher.model_validate({"url": "http://127.0.0.1:1/v1", "api_key": "k"}),
        rollout=Rollout(shares=(0.1, 0.9)),
    ).with_postgres(POSTGRES)
    monkeypatch.setenv("ECHO_TRAINING_SEED", "7")  # of the shell, but not of these settings
    env = airflow_home.environment(settings)
    for name in [name for name in env if name.startswith("ECHO_")]:
        monkeypatch.setenv(name, env[name])
    assert load() == settings


def test_places_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert airflow_home.environment(Settings(home=Path("here")))["ECHO_HOME"] == str(tmp_path / "here")


def test_an_airflow_of_the_shell_does_not_leak_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", "/elsewhere")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "")
    env = airflow_home.environment(Settings(home=tmp_path))
    assert env["AIRFLOW__CORE__DAGS_FOLDER"] == str(airflow_home.CHECKOUT / "dags")
    assert "AIRFLOW__CORE__FERNET_KEY" not in env


def test_every_variable_is_an_option_of_airflow(tmp_path: Path) -> None:
    from airflow.configuration import conf

    for name in airflow_home.environment(Settings(home=tmp_path)):
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            plain = option.removesuffix("_cmd")
            assert plain in conf.configuration_description[section]["options"], name
            assert plain == option or (section, plain) in conf.sensitive_config_values, name


def test_a_wheel_without_dags_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_home, "CHECKOUT", tmp_path)
    with pytest.raises(InputError, match="needs a checkout"):
        airflow_home.environment(Settings(home=tmp_path / "home"))
    assert not (tmp_path / "home").exists()

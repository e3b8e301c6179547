"""docker-compose.yml against the code: every command, variable and secret in it is one that the code knows."""

from __future__ import annotations

import argparse
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from echo_ops.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()
PINS = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "constraints.txt").read_text(), re.M))

SECRET = re.compile(r"PASSWORD|SECRET|FERNET|API_KEY|JWT|TOKEN")
REFERENCE = re.compile(r"\$\{(\w+)(:\?[^}]+|:-[^}]*)?\}")


def commands() -> list[tuple[str, list[str]]]:
    """Each command of each service; a shell script gives one per line."""
    found = []
    for name, service in SERVICES.items():
        command = service.get("command", [])
        if command[:1] == ["bash"]:
            script = command[-1].replace("\\\n", " ").replace("$$", "$")
            found += [(name, shlex.split(line)) for line in script.splitlines() if line.strip()]
        elif command:
            found.append((name, command))
    return found


def environments() -> list[tuple[str, str, str | None]]:
    """(service, variable, value); None where the value is handed on only when it is set."""
    return [
        (name, variable, None if value is None else str(value))
        for name, service in SERVICES.items()
        for variable, value in service.get("environment", {}).items()
    ]


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def subparser(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    choices = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices
    assert name in choices, f"{name} is no command of airflow; there are {sorted(choices)}"
    return choices[name]


def known_settings() -> set[str]:
    names = {"ECHO_CONFIG"}
    for section, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        names |= {f"ECHO_{section}_{name}".upper() for name in inner} if inner else {f"ECHO_{section}".upper()}
    return names


def test_it_names_the_services_of_a_production() -> None:
    assert set(SERVICES) >= {
        *("postgres", "migrate", "mlflow", "teacher", "student", "airflow-init", "airflow-api-server"),
        *("airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"),
    }
    assert SERVICES["teacher"]["profiles"] == ["teacher"]
    assert SERVICES["student"]["profiles"] == ["student"]


def test_every_echo_variable_of_our_image_is_a_setting() -> None:
    known = known_settings()
    used = {name for service, name, _ in environments() if name.startswith("ECHO_") and service != "postgres"}
    used |= set(re.findall(r"\b(ECHO_[A-Z_]+)=", DOCKERFILE))
    assert "ECHO_POSTGRES_URL" in used
    assert used <= known, used - known


def test_every_echo_ops_command_exists() -> None:
    from typer.main import get_command

    from echo_ops.cli import app

    found = [command[1:] for _, command in commands() if command[0] == "echo-ops"]
    assert ["migrate"] in found
    top = get_command(app)
    for words in found:
        names = [word for word in words if not word.startswith("-")]
        at: Any = top
        for name in names:
            assert name in at.commands, f"echo-ops has no command {name}"
            at = at.commands[name]


def test_every_airflow_command_and_option_exists() -> None:
    from airflow.cli.cli_parser import get_parser

    ours = [command[1:] for _, command in commands() if command[0] == "airflow"]
    assert {words[0] for words in ours} >= {"api-server", "scheduler", "dag-processor", "triggerer", "db"}
    for words in ours:
        if words[0] == "users":
            continue  # FabAuthManager's, below
        parser = subparser(get_parser(), words[0])
        rest = words[1:]
        if rest and not rest[0].startswith("-"):
            parser = subparser(parser, rest[0])
        unknown = {word for word in rest if word.startswith("--")} - options(parser)
        assert not unknown, (words, unknown)


def test_the_admin_is_made_with_options_that_fab_knows() -> None:
    definition = pytest.importorskip("airflow.providers.fab.cli.definition", reason="extra `production`")
    create = next(c for c in definition.USERS_COMMANDS if c.name == "create")
    known = {flag for argument in create.args for flag in argument.flags}
    words = next(command for _, command in commands() if command[:2] == ["airflow", "users"])
    assert words[2] == "create"
    assert {word for word in words if word.startswith("--")} <= known


def test_every_airflow_variable_is_an_option_of_airflow() -> None:
    from airflow.configuration import conf

    names = {name for _, name, _ in environments() if name.startswith("AIRFLOW__")}
    names |= set(re.findall(r"\b(AIRFLOW__\w+)=", DOCKERFILE))
    assert len(names) > 10
    for name in names:
        _, section, option = name.lower().split("__")
        assert option in conf.configuration_description[section]["options"], name


def test_every_mlflow_option_and_variable_exists() -> None:
    from mlflow import environment_variables
    from mlflow.cli import cli

    command = SERVICES["mlflow"]["command"]
    server = cli.commands[command[1]]
    known = {flag for parameter in server.params for flag in parameter.opts}
    assert {word.split("=")[0] for word in command[2:]} <= known
    read = {parameter.envvar for parameter in server.params} | set(dir(environment_variables))
    names = {name for _, name, _ in environments() if name.startswith("MLFLOW_")} - {"MLFLOW_DB_PASSWORD"}
    # the client's user and password are read by mlflow.utils.credentials
    assert names - {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"} <= read, names - read


def test_every_secret_must_be_given() -> None:
    """`${NAME:?…}` refuses both a missing and an empty one; `:-` and a bare `${NAME}` would not."""
    secret = {name: form for name, form in REFERENCE.findall(TEXT) if SECRET.search(name)}
    assert len(secret) >= 10
    lenient = {name for name, form in REFERENCE.findall(TEXT) if SECRET.search(name) and not form.startswith(":?")}
    assert not lenient, lenient


def test_no_secret_is_written_down() -> None:
    for service, name, value in environments():
        if SECRET.search(name) and value is not None:
            assert ":?" in value, f"{service}: {name} is not asked for"
        for credentials in re.findall(r"://[^:/@\s]*:([^@]*)@", value or ""):
            assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", credentials), f"{service}: {name} holds a password"
    # arguments are shown by `docker inspect` and `ps`
    for service, command in commands():
        assert not any(SECRET.search(name) for word in command for name, _ in REFERENCE.findall(word)), service


@pytest.mark.parametrize("name", ["CORE__FERNET_KEY", "API_AUTH__JWT_SECRET", "API__SECRET_KEY"])
def test_no_airflow_server_falls_back_to_a_public_or_empty_key(name: str) -> None:
    servers = [service for service, command in commands() if command[0] == "airflow"]
    assert servers
    for server in servers:
        assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", SERVICES[server]["environment"][f"AIRFLOW__{name}"])
        assert SERVICES[server]["environment"]["AIRFLOW__CORE__AUTH_MANAGER"].endswith(".FabAuthManager")


def test_the_example_names_each_secret_and_gives_none() -> None:
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))
    assert not any(example.values())
    assert set(example) == {name for name, form in REFERENCE.findall(TEXT) if form.startswith(":?")}


def test_the_example_names_each_optional_variable() -> None:
    words = set(re.findall(r"\w+", (ROOT / ".env.example").read_text()))
    optional = {name for name, form in REFERENCE.findall(TEXT) if not form.startswith(":?")}
    handed_on = {name for _, name, value in environments() if value is None} - {"HF_TOKEN"}
    assert optional | handed_on <= words, (optional | handed_on) - words


def test_ports_are_published_on_loopback_unless_told() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    for port in ports:
        assert port.startswith("${ECHO_BIND:-127.0.0.1}:"), port


def test_every_server_is_checked_and_the_dags_are_read_only() -> None:
    for name, service in SERVICES.items():
        assert service["restart"] == "no" or "healthcheck" in service, name
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert volume.endswith(":ro"), volume
                assert (ROOT / volume.split(":")[0]).exists(), volume
            else:
                assert volume.split(":")[0] in COMPOSE["volumes"], volume


def test_what_a_service_waits_for_can_come_true() -> None:
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            needs = {"service_healthy": "healthcheck", "service_completed_successfully": "restart"}[wait["condition"]]
            assert needs in SERVICES[other], (name, other)


def test_the_dockerfile_is_of_this_project() -> None:
    assert re.search(r"ARG UV_VERSION=(\S+)", DOCKERFILE).group(1) == PINS["uv"]  # type: ignore[union-attr]
    python = re.search(r"FROM python:([\d.]+)-slim", DOCKERFILE).group(1)  # type: ignore[union-attr]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert tuple(map(int, python.split("."))) in {(3, 11), (3, 12)}
    assert project["requires-python"] == ">=3.11,<3.13"
    assert set(re.findall(r"--extra (\w+)", DOCKERFILE)) <= set(project["optional-dependencies"])
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.M)[-1] != "root"
    sources = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    for source in (word for words in sources for word in words.split()):
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in allowed, f"{source} is kept from the build by .dockerignore"


def test_what_the_image_installs_is_pinned() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in re.findall(r"--extra (\w+)", DOCKERFILE):
        names = {re.match(r"[\w.-]+", requirement).group() for requirement in extras[extra]}  # type: ignore[union-attr]
        assert names <= set(PINS), f"constraints.txt does not pin {names - set(PINS)} of the extra {extra}"


def test_images_are_pinned() -> None:
    images = {name: service["image"] for name, service in SERVICES.items() if "build" not in service}
    assert images == {
        "postgres": "postgres:18",
        "teacher": f"vllm/vllm-openai:v{VLLM}",
        "student": f"vllm/vllm-openai:v{VLLM}",
    }


VLLM = "0.32.0"
"""Has an environment of its own, so that constraints.txt does not name it; pins the same torch as we do."""

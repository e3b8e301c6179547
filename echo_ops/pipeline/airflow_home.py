"""The Airflow of this machine: its environment, its secrets, its database.

``environment`` is all that the ``airflow`` command needs to run our DAGs from ``<home>/airflow``: loopback only, no
examples, no telemetry, and secrets that are made here once, kept in files that only their owner reads, and named to
Airflow by a command (``…_CMD``), so that no task finds them in its environment.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

from echo_ops.errors import EchoError, InputError, UnavailableError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from echo_ops.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
USER = "echo"
"""The one user of the local web interface; the role is Airflow's ``admin``."""


def environment(settings: Settings, database_url: str | None = None, port: int | None = None) -> dict[str, str]:
    """The whole environment of an ``airflow`` process, for ``subprocess``; makes the folder and the secrets.

    Args:
        settings: handed on to the tasks as they are, whatever file they came from.
        database_url: libpq URL of a Postgres on which Airflow keeps its own database ``airflow`` (made by ``migrate``);
            None keeps it in SQLite, which is enough for ``airflow dags test`` and as fast. A setting comes before both.
        port: of the API server, when not the one of the settings.

    Raises:
        InputError: this is no checkout: there are no DAGs.
    """
    dags = CHECKOUT / "dags"
    if not dags.is_dir():
        raise InputError(f"there is no folder {dags}; Airflow needs a checkout of the project, not an installed wheel")
    home = settings.home.absolute() / "airflow"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    api = f"http://127.0.0.1:{port or settings.airflow.port}"
    airflow = {
        "CORE__DAGS_FOLDER": dags,
        "CORE__PLUGINS_FOLDER": CHECKOUT / "plugins",
        "CORE__LOAD_EXAMPLES": False,
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": settings.airflow.parallelism,
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": _passwords(home),
        "CORE__FERNET_KEY_CMD": _secret(home / "fernet.key"),
        "CORE__EXECUTION_API_SERVER_URL": f"{api}/execution/",
        "API__SECRET_KEY_CMD": _secret(home / "api.key"),
        "API_AUTH__JWT_SECRET_CMD": _secret(home / "jwt.key"),
        "API__HOST": "127.0.0.1",
        "API__PORT": port or settings.airflow.port,
        "API__BASE_URL": api,
        "DATABASE__SQL_ALCHEMY_CONN": _metadata_url(settings, database_url, home).render_as_string(hide_password=False),
        "LOGGING__BASE_LOG_FOLDER": home / "logs",
        "LOGGING__COLORED_CONSOLE_LOG": False,
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": "127.0.0.1",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "ECHO_"))}
    return {
        **inherited,
        **_as_variables(settings),
        **{f"AIRFLOW__{name}": str(value) for name, value in airflow.items()},
        "AIRFLOW_HOME": str(home),
        # Airflow's own processes and those of our tasks: the commands of this environment first, no colours in files,
        # nothing reported to anybody.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def migrate(env: Mapping[str, str]) -> bool:
    """Brings Airflow's database up to date; the database is made where there is none.

    ``airflow db migrate`` takes 5 s even when there is nothing to do, so the revision that it left is remembered per
    version of Airflow, and compared first.

    Returns:
        Whether there was anything to do.

    Raises:
        UnavailableError: the database does not answer.
        EchoError: the migration failed.
    """
    from sqlalchemy.engine import make_url

    url = make_url(env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    stamp = Path(env["AIRFLOW_HOME"]) / "migrated.json"
    version = importlib.metadata.version("apache-airflow-core")
    revision = _revision(url)
    if revision is not None and stamp.is_file() and json.loads(stamp.read_text()) == [version, revision]:
        return False
    done = subprocess.run([airflow(env), "db", "migrate"], env=dict(env), capture_output=True, text=True)  # noqa: S603
    if done.returncode != 0:
        log = Path(env["AIRFLOW_HOME"]) / "migrate.log"
        log.write_text(done.stdout + done.stderr)
        raise EchoError(f"airflow db migrate failed with status {done.returncode}; see {log}")
    stamp.write_text(json.dumps([version, _revision(url)]))
    return True


def airflow(env: Mapping[str, str]) -> str:
    """Path of the ``airflow`` command beside our Python.

    Raises:
        InputError: there is none.
    """
    command = Path(env["PATH"].split(os.pathsep)[0]) / "airflow"
    if not command.is_file():
        raise InputError(f"there is no {command}; run scripts/bootstrap")
    return str(command)


def password(home: Path) -> str:
    """What ``USER`` logs in with, of the Airflow below ``home``."""
    return str(json.loads(passwords_file(home).read_text())[USER])


def passwords_file(home: Path) -> Path:
    """Where the passwords of the local web interface are."""
    return home.absolute() / "airflow" / "passwords.json"


def _as_variables(settings: Settings) -> dict[str, str]:
    """``ECHO_*`` variables that give the same settings; places are absolute, unset values stay unset."""
    variables = {}
    for section, value in settings:
        fields = dict(value) if isinstance(value, BaseModel) else {"": value}
        for field, content in fields.items():
            if content is not None:
                name = "_".join(filter(None, ("ECHO", section, field))).upper()
                variables[name] = _as_text(content)
    if "ECHO_CONFIG" in os.environ:
        variables["ECHO_CONFIG"] = str(Path(os.environ["ECHO_CONFIG"]).absolute())
    return variables


def _as_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.absolute())
    return json.dumps(value) if isinstance(value, list | tuple) else str(value)


def _metadata_url(settings: Settings, database_url: str | None, home: Path) -> URL:
    """SQLAlchemy URL of Airflow's database."""
    from psycopg2.extensions import parse_dsn
    from sqlalchemy.engine import URL

    if settings.airflow.database_url is not None:
        parts = parse_dsn(settings.airflow.database_url.get_secret_value())
    elif database_url is not None:
        parts = parse_dsn(database_url) | {"dbname": "airflow"}
    else:
        return URL.create("sqlite", database=str(home / "airflow.db"))
    return URL.create(
        "postgresql+psycopg2",
        username=parts.pop("user", None),
        password=parts.pop("password", None),
        host=parts.pop("host", None),
        port=int(parts.pop("port", 5432)),
        database=parts.pop("dbname", "airflow"),
        query=parts,
    )


def _revision(url: URL) -> str | None:
    """Alembic's revision of Airflow's database; None before its first migration. Makes a database that is missing."""
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.pool import NullPool

    if url.get_backend_name() == "postgresql":
        _create_database(url)
    try:
        with create_engine(url, poolclass=NullPool).connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except OperationalError:
        raise UnavailableError(f"Airflow's database {url.render_as_string()} does not answer") from None


def _create_database(url: URL) -> None:
    import psycopg2
    from psycopg2 import errors, sql

    def connect(database: str | None) -> psycopg2.extensions.connection:
        libpq = url.set(drivername="postgresql", database=database)
        return psycopg2.connect(libpq.render_as_string(hide_password=False), connect_timeout=10)

    try:
        connect(url.database).close()
        return
    except psycopg2.OperationalError as error:
        if "does not exist" not in str(error):
            raise UnavailableError(f"Airflow's database {url.render_as_string()} does not answer") from None
    connection = connect("postgres")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(url.database or "airflow")))
    except errors.InsufficientPrivilege:
        raise InputError(
            f"{url.username} may not create the database {url.database}; create it, or name another in "
            "ECHO_AIRFLOW_DATABASE_URL"
        ) from None
    finally:
        connection.close()


def _secret(file: Path) -> str:
    """The command that prints the secret in ``file``; the secret is made where there is none.

    32 random bytes in URL-safe base64: what Fernet demands, and more than enough for the others.
    """
    if not file.exists():
        import base64

        _write_private(file, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    return f"cat {shlex.quote(str(file))}"


def _passwords(home: Path) -> Path:
    """The file from which SimpleAuthManager reads; were it to make one, it would print the password into its log."""
    file = home / "passwords.json"
    if not file.exists():
        _write_private(file, json.dumps({USER: secrets.token_urlsafe(12)}))
    return file


def _write_private(file: Path, text: str) -> None:
    """Writes a file that only its owner reads, whole or not at all; the first of two writers wins."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()

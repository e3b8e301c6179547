"""A real Postgres for whoever asks for one: started once, a fresh database for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

_NUMBERS = itertools.count()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that every user of the machine can search; pytest's own ones are for their owner alone."""
    folder = Path(tempfile.mkdtemp(prefix="echo-ops-test-", dir="/var/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """libpq URL of a fresh PostgreSQL, as the commands start it themselves."""
    from echo_ops.events.local_server import serve

    home = Path(tempfile.mkdtemp(prefix="echo-ops-test-", dir="/var/tmp"))
    home.chmod(0o711)
    try:
        with serve(home) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def _migrated(postgres_url: str) -> str:
    """Name of a database that has every migration, and that others are copied from."""
    from echo_ops.events.migrate import migrate

    name = f"migrated_{os.getpid()}"
    _execute(postgres_url, f"CREATE DATABASE {name}")
    migrate(_with_database(postgres_url, name))
    return name


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """libpq URL of a database with nothing in it."""
    yield from _fresh(postgres_url, "template1")


@pytest.fixture
def database_url(postgres_url: str, _migrated: str) -> Iterator[str]:
    """libpq URL of a database with the schema of this version, and no rows."""
    yield from _fresh(postgres_url, _migrated)


def _fresh(server: str, template: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _with_database(server, name)
    _execute(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


def _with_database(url: str, name: str) -> str:
    given = parse_dsn(url)
    return f"postgresql://{given['user']}:{given['password']}@{given['host']}:{given['port']}/{name}"

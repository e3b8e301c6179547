"""The Postgres of a command or a task: the one that the settings name, else one of our own for the time of the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from echo_ops.settings import Settings


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """A libpq URL that works as long as the context is open.

    Raises:
        UnavailableError: the local server cannot be started.
    """
    if settings.postgres.url is not None:
        yield settings.postgres.url.get_secret_value()
        return
    from echo_ops.events.local_server import serve

    with serve(settings.home) as url:
        yield url

"""The page "Echo Ops" inside Airflow's UI, for people who may see plugins; strangers get 401."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
}


@cache
def built() -> FastAPI:
    """The application. Airflow imports its plugins for every task too, which needs no web server: a second saved."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    closed = [Depends(requires_access_view(AccessView.PLUGINS))]
    app = FastAPI(dependencies=closed, docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/", response_class=HTMLResponse)
    def console() -> HTMLResponse:
        from echo_ops.pipeline.console import page

        return HTMLResponse(page(), headers=HEADERS)

    @app.get("/data-docs/{day}/{path:path}", response_class=HTMLResponse)
    def data_docs(day: str, path: str) -> HTMLResponse:
        from echo_ops.pipeline.console import data_docs_page

        text = data_docs_page(day, path)
        if text is None:
            return HTMLResponse("No data docs of that name are on this machine.", 404, headers=HEADERS)
        return HTMLResponse(text, headers=HEADERS)

    return app


async def app(
    scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    await built()(scope, receive, send)


class EchoConsole(AirflowPlugin):
    name = "echo_console"
    fastapi_apps = [{"app": app, "url_prefix": "/echo-ops", "name": "Echo Ops"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {"name": "Echo Ops", "href": "/echo-ops/", "destination": "nav", "url_route": "echo-ops"}
    ]

"""Serve /metrics before Django: no middleware, no ALLOWED_HOSTS and no redirect to https gets in a scraper's way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from loadlab.instrumentation.access import answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from loadlab.instrumentation.access import MetricsResponse

    ASGIApplication = Callable[[Any, Any, Any], Awaitable[None]]

PATH: Final = "/metrics"


def wsgi_with_metrics(application: WSGIApplication, path: str = PATH) -> WSGIApplication:
    """The application of wsgi.py, with the metrics at `path`, seen from where the server mounts the application."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != path:
            return application(environ, start_response)
        return respond(answer(_method(environ), environ.get("HTTP_AUTHORIZATION", "")), environ, start_response)

    return wrapped


def respond(given: MetricsResponse, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Give a response as WSGI wants it."""
    start_response(f"{given.status.value} {given.status.phrase}", list(_headers(given).items()))
    return [] if _method(environ) == "HEAD" else [given.body]


def _method(environ: WSGIEnvironment) -> str:
    return str(environ.get("REQUEST_METHOD", "GET"))


def _headers(given: MetricsResponse) -> dict[str, str]:
    return {**given.headers, "Content-Length": str(len(given.body))}


def asgi_with_metrics(application: ASGIApplication, path: str = PATH) -> ASGIApplication:
    """The application of asgi.py, with the metrics at `path`, seen from where the server mounts the application."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's own shapes
        if scope["type"] != "http" or _own_path(scope) != path:
            await application(scope, receive, send)
            return
        authorization = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
        method = scope.get("method", "GET")
        given = await asyncio.to_thread(answer, method, authorization)  # it reads files
        headers = [(name.lower().encode(), value.encode()) for name, value in _headers(given).items()]
        await send({"type": "http.response.start", "status": given.status.value, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else given.body})

    return wrapped


def _own_path(scope: Any) -> str:  # noqa: ANN401
    """Without the prefix that the server is mounted at: some servers leave it in, as Django knows too."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))

"""Serve /metrics, and the page below it, before Django.

No middleware, no ALLOWED_HOSTS and no redirect to https gets in a scraper's way.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from loadlab.instrumentation.access import MetricsRequest, answer, pages_at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from loadlab.instrumentation.access import MetricsResponse

    ASGIApplication = Callable[[Any, Any, Any], Awaitable[None]]

PATH: Final = "/metrics"


def wsgi_with_metrics(application: WSGIApplication, path: str = PATH) -> WSGIApplication:
    """The application of wsgi.py, with the metrics at `path`, seen from where the server mounts the application."""
    pages = pages_at(path)

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        page = pages.get(environ.get("PATH_INFO", ""))
        if page is None:
            return application(environ, start_response)
        return respond(answer(page, request_of(environ)), environ, start_response)

    return wrapped


def request_of(environ: WSGIEnvironment) -> MetricsRequest:
    """What a request asks, as WSGI has it."""
    return MetricsRequest(
        method=_method(environ),
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        accept=environ.get("HTTP_ACCEPT", ""),
        query=environ.get("QUERY_STRING", ""),
    )


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
    pages = pages_at(path)

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's own shapes
        page = pages.get(_own_path(scope)) if scope["type"] == "http" else None
        if page is None:
            await application(scope, receive, send)
            return
        request = _request_in(scope)
        given = await asyncio.to_thread(answer, page, request)  # it reads files
        headers = [(name.lower().encode(), value.encode()) for name, value in _headers(given).items()]
        await send({"type": "http.response.start", "status": given.status.value, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else given.body})

    return wrapped


def _request_in(scope: Any) -> MetricsRequest:  # noqa: ANN401
    headers = dict(scope.get("headers", ()))
    return MetricsRequest(
        method=scope.get("method", "GET"),
        authorization=headers.get(b"authorization", b"").decode("latin-1"),
        accept=headers.get(b"accept", b"").decode("latin-1"),
        query=scope.get("query_string", b"").decode("latin-1"),
    )


def _own_path(scope: Any) -> str:  # noqa: ANN401
    """Without the prefix that the server is mounted at: some servers leave it in, as Django knows too."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))

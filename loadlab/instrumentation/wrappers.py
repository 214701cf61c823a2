"""Serve /metrics before Django: no middleware, no ALLOWED_HOSTS and no redirect to https gets in a scraper's way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from loadlab.instrumentation.access import answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    ASGIApplication = Callable[[Any, Any, Any], Awaitable[None]]

PATH: Final = "/metrics"


def wsgi_with_metrics(application: WSGIApplication, path: str = PATH) -> WSGIApplication:
    """The application of wsgi.py, with the metrics at `path`."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != path:
            return application(environ, start_response)
        given = answer(environ.get("HTTP_AUTHORIZATION", ""))
        headers = {**given.headers, "Content-Length": str(len(given.body))}
        start_response(f"{given.status} {given.reason}", list(headers.items()))
        return [given.body]

    return wrapped


def asgi_with_metrics(application: ASGIApplication, path: str = PATH) -> ASGIApplication:
    """The application of asgi.py, with the metrics at `path`."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's own shapes
        if scope["type"] != "http" or scope["path"] != path:
            await application(scope, receive, send)
            return
        authorization = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        given = await asyncio.to_thread(answer, authorization)  # it reads files
        headers = {**given.headers, "Content-Length": str(len(given.body))}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": given.status, "headers": encoded})
        await send({"type": "http.response.body", "body": given.body})

    return wrapped

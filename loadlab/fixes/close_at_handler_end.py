"""Closes connections at the end of the server's request handler, as Aymeric Augustin proposed in 2013 (2a).

gunicorn's configuration may import this module before gevent has patched Python, and so nothing of Django's database
layer is imported before it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

from loadlab.fixes._parameters import NoParameters, parameters

if TYPE_CHECKING:
    from django.core.servers.basehttp import WSGIServer


class CloseAtHandlerEnd(AppConfig):
    name = "loadlab.fixes.close_at_handler_end"
    label = "loadlab_close_at_handler_end"
    verbose_name = "close database connections at the end of runserver's handler"
    ends_leak_in = ("threaded",)

    def ready(self) -> None:
        parameters("close_at_handler_end", NoParameters)
        install()


def install() -> None:
    """Have runserver close a thread's connections when the client connection that the thread serves has ended."""
    from django.core.management.commands.runserver import Command  # noqa: PLC0415  as the module's docstring says

    if not hasattr(Command.server_cls, "closes_connections"):
        Command.server_cls = closing(Command.server_cls)


def closing(base: type[WSGIServer]) -> type[WSGIServer]:
    """The server's class, closing database connections with each client connection, in the thread that served it."""
    from django.db import connections  # noqa: PLC0415

    class ClosingServer(base):  # type: ignore[misc, valid-type]  # the server class of runserver
        closes_connections = True

        def close_request(self, request: Any) -> None:  # noqa: ANN401  the server's own type of socket
            try:
                connections.close_all()
            finally:
                super().close_request(request)

    return ClosingServer


def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:  # noqa: ANN401, ARG001  gunicorn's signature
    """The hook of gunicorn: runs after each request in its thread or greenlet, on kept client connections too."""
    from django.db import connections  # noqa: PLC0415

    connections.close_all()

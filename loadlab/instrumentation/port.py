"""Serves the metrics on their own port: by a management command, or by a worker, which has no address otherwise."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client.exposition import ThreadingWSGIServer

from loadlab.instrumentation import current
from loadlab.instrumentation.access import CONNECTIONS, pages_at, read_only
from loadlab.instrumentation.configuration import PORT_VARIABLE, configuration, is_loopback
from loadlab.instrumentation.roles import serves
from loadlab.instrumentation.wrappers import PATH, request_of, respond, wsgi_with_metrics

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.simple_server import WSGIServer
    from wsgiref.types import StartResponse, WSGIEnvironment

COMMAND: Final = "loadlab_metrics"
RETRY_SECONDS: Final = 2.0  # while another process of the worker has the port
PAGES: Final = pages_at(PATH)
NEVER: Final = 1e6  # seconds until the server looks whether it should end, which it does with its process


def server_on(address: str, port: int, handler: type[WSGIRequestHandler] = WSGIRequestHandler) -> WSGIServer:
    """A server of the metrics: on loopback for every user of the machine, elsewhere for those who have the token.

    Raises:
        OSError, OverflowError: it cannot listen there.
    """
    application = _unguarded if is_loopback(address) else wsgi_with_metrics(_nothing_else)
    return make_server(address, port, application, _family(address), handler)


def serve_where_told() -> None:
    """Serve them in a thread of this process, where LOADLAB_METRICS_PORT says; a web server's processes do not."""
    told = configuration().metrics_port
    if told is not None and not serves() and sys.argv[1:2] != [COMMAND]:
        threading.Thread(target=_serve, args=told, daemon=True, name="loadlab metrics").start()


def _serve(address: str, port: int) -> None:
    """Of several processes one has the port; when it ends, another one takes it."""
    level = logging.WARNING
    while True:
        try:
            server = server_on(address, port, _Silent)
            break
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE  # by another process of the worker, most likely
            logging.getLogger("loadlab").log(
                logging.INFO if taken else level,
                "Process %d waits for the port of %s: %s",
                os.getpid(),
                PORT_VARIABLE,
                error,
            )
            level = level if taken else logging.INFO
        time.sleep(RETRY_SECONDS)
    # A child would keep the port open, and nothing would answer there once its parent is gone.
    current.in_forked_child.append(server.socket.close)
    server.serve_forever(NEVER)


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:  # noqa: ANN401
        """A scrape is no event of the worker's."""


def _family(address: str) -> type[ThreadingWSGIServer]:
    """A server for the address's family; one of IPv6 listens there alone, but on `::` for IPv4 as well."""
    if ":" not in address:
        return ThreadingWSGIServer

    class IPv6Server(ThreadingWSGIServer):
        address_family = socket.AF_INET6

        def server_bind(self) -> None:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            super().server_bind()

    return IPv6Server


def _unguarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    page = PAGES.get(environ.get("PATH_INFO", ""))
    if page is None:
        return _nothing_else(environ, start_response)
    return respond(read_only(page, request_of(environ)), environ, start_response)


def _nothing_else(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:  # noqa: ARG001
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [f"The metrics are at {PATH}, the open connections at {PATH}{CONNECTIONS}.\n".encode()]

"""Serve this project's connection metrics on their own port."""

from __future__ import annotations

import ipaddress
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import make_server

from django.core.management.base import BaseCommand, CommandError
from prometheus_client.exposition import ThreadingWSGIServer

from loadlab.instrumentation.access import exposition
from loadlab.instrumentation.configuration import configuration
from loadlab.instrumentation.wrappers import PATH, respond, wsgi_with_metrics

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 9182


class Command(BaseCommand):
    help = (
        "Serve this project's connection metrics on their own port: on loopback to every user of this machine,"
        " on any other address only with the token of LOADLAB['METRICS_TOKEN']."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--address", default=LOOPBACK, help=f"to listen on (default: {LOOPBACK})")
        parser.add_argument("--port", type=int, default=PORT, help=f"to listen on (default: {PORT})")

    def handle(self, *, address: str, port: int, **_: Any) -> None:  # noqa: ANN401
        local = _is_loopback(address)
        if not local and not (configuration().metrics_token or configuration().metrics_open):
            raise CommandError(
                f"{address} is not loopback, and anybody who reaches it could read the metrics: set"
                " LOADLAB['METRICS_TOKEN'] first, or listen on 127.0.0.1."
            )
        shown = f"[{address}]" if ":" in address else address
        application = _unguarded if local else wsgi_with_metrics(_nothing_else)
        try:
            server = make_server(address, port, application, _family(address))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"{shown}:{port} cannot be used: {error}. Choose another with --address or --port."
            ) from error
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        self.stdout.write(f"Metrics at http://{shown}:{server.server_port}{PATH}")
        self.stdout.flush()
        with server:
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                return


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address == "localhost"
    mapped = getattr(found, "ipv4_mapped", None)
    return found.is_loopback if mapped is None else mapped.is_loopback


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
    if environ.get("PATH_INFO") != PATH:
        return _nothing_else(environ, start_response)
    return respond(exposition(environ["REQUEST_METHOD"]), environ, start_response)


def _nothing_else(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:  # noqa: ARG001
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [f"The metrics are at {PATH}.\n".encode()]

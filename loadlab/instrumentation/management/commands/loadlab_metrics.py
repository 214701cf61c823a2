"""Serve this project's connection metrics on their own port."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import EnvironmentFaultError, StoppedError, UsageError
from loadlab.instrumentation.configuration import LOOPBACK, configuration, is_loopback
from loadlab.instrumentation.management import command

if TYPE_CHECKING:
    from argparse import ArgumentParser

PORT: Final = 9182


class Command(command.Command):
    help = (
        "Serve this project's connection metrics on their own port: on loopback to every user of this machine,"
        " on any other address only with the token of LOADLAB['METRICS_TOKEN']."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--address", default=LOOPBACK, help=f"to listen on (default: {LOOPBACK})")
        parser.add_argument("--port", type=int, default=PORT, help=f"to listen on (default: {PORT})")

    def handle(self, *, address: str, port: int, **_: Any) -> None:  # noqa: ANN401
        from loadlab.instrumentation.port import server_on
        from loadlab.instrumentation.wrappers import PATH

        if not is_loopback(address) and not (configuration().metrics_token or configuration().metrics_open):
            raise UsageError(
                f"{address} is not loopback, and anybody who reaches it could read the metrics: set"
                " LOADLAB['METRICS_TOKEN'] first, or listen on 127.0.0.1."
            )
        shown = f"[{address}]" if ":" in address else address
        try:
            server = server_on(address, port)
        except (OSError, OverflowError) as error:
            raise EnvironmentFaultError(
                f"{shown}:{port} cannot be used: {str(error).rstrip('.')}. Choose another with --address or --port."
            ) from error
        with server, suppress(StoppedError):  # the usual end
            self.stdout.write(f"Metrics at http://{shown}:{server.server_port}{PATH}")
            self.stdout.flush()
            server.serve_forever()

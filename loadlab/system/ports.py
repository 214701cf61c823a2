"""Finds free ports on loopback, and names who holds one that is taken."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

from loadlab.errors import EnvironmentFaultError

LOOPBACK = "127.0.0.1"
LIVE_PORT = 8013  # of the live page, unless it is taken


def is_loopback(host: str) -> bool:
    """Whether libpq or a browser stays on this machine with that host: loopback, or a socket's folder, or none.

    >>> [is_loopback(host) for host in ("127.0.0.2", "::1", "::ffff:127.0.0.1", "LOCALHOST", "/run", "@app", "")]
    [True, True, True, True, True, True, True]
    >>> [is_loopback(host) for host in ("0.0.0.0", "10.0.0.1", "127.0.0.1.example", "localhost.example")]
    [False, False, False, False]
    """
    if host.lower() in {"localhost", ""} or host.startswith(("/", "@")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def free_port() -> int:
    """A port that was free a moment ago; another program may take it before the caller does."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int) -> None:
    """Make sure that a port which the user asked for can be bound.

    Raises:
        EnvironmentFaultError: it is taken, naming the holder where the system tells.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise EnvironmentFaultError(
                f"Port {port} cannot be used: {error.strerror}{_holder(port)}. Choose another with --port."
            ) from error


def _holder(port: int) -> str:
    import psutil  # noqa: PLC0415  the command line imports this module before it knows what to do

    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f", held by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""

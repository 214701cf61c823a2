"""Finds free ports on loopback, and names who holds one that is taken."""

from __future__ import annotations

import ipaddress
import os
import socket
from contextlib import suppress
from pathlib import Path

from loadlab.errors import EnvironmentFaultError

LOOPBACK = "127.0.0.1"
LIVE_PORT = 8013  # of the live page, unless it is taken
FIRST_PORT = 20_000
TRIES = 100
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
IN_USE = ("address already in use", "address in use", "connection in use", "port is already in use")


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
    """A port that was free a moment ago; another program may take it before the caller does.

    It is none of those that the system gives to connections which go out: under load there are thousands of these.
    """
    below = _first_ephemeral()
    for _ in range(TRIES if below > FIRST_PORT else 0):
        port = FIRST_PORT + int.from_bytes(os.urandom(4), "little") % (below - FIRST_PORT)
        if not _is_taken(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        given: int = probe.getsockname()[1]
        return given


def is_lost(port: int, said: str) -> bool:
    """Whether another program took the port before the one that was to have it; `said`: the end of that one's log.

    A connection that goes out may have had it for a moment, and then only those words tell.
    """
    return any(words in said.lower() for words in IN_USE) or _is_taken(port)


def _first_ephemeral() -> int:
    """The first port that the system gives to connections which go out; 0 where it does not tell."""
    try:
        return int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _is_taken(port: int) -> bool:
    try:
        _bind(port)
    except OSError:
        return True
    return False


def _bind(port: int) -> None:
    """As servers do, which may have a port again whose last connections have not been forgotten."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOOPBACK, port))


def require_free(port: int) -> None:
    """Make sure that a port which the user asked for can be bound.

    Raises:
        EnvironmentFaultError: it is taken, naming the holder where the system tells.
    """
    try:
        _bind(port)
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

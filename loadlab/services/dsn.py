"""Reads how a user names a database: `env:NAME` or `service=NAME`, never a DSN that a process list would show."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import parse_dsn

from loadlab.errors import UsageError
from loadlab.system.ports import is_loopback
from loadlab.system.processes import variable_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg2.extensions import connection as Connection  # noqa: N812

FORMS: Final = "use --dsn env:NAME for the environment variable NAME, or --dsn service=NAME for libpq's service file"
SCHEMES: Final = ("postgresql://", "postgres://")
# Where libpq looks for a server that the parameters leave open.
DEFAULTS: Final = {"host": "PGHOST", "hostaddr": "PGHOSTADDR"}


def parameters_of(reference: str) -> dict[str, str]:
    """The parameters, as libpq names them, of the database that `reference` names.

    Raises:
        UsageError: it is a DSN itself, or names a variable that is not set or holds none. The message repeats no part
            of the variable's text: what is not a DSN may still hold a password.
    """
    name = variable_of(reference)
    if name is None:
        if reference.startswith("service=") and reference != "service=":
            return {"service": reference.removeprefix("service=")}
        raise UsageError(f"A DSN on the command line would show in the process list; {FORMS}.")
    dsn = os.environ.get(name)
    if not dsn:
        raise UsageError(f"The environment variable {name} is not set; set it to the DSN of your database.")
    try:
        parameters = {key: str(value) for key, value in parse_dsn(dsn).items()}
    except (psycopg2.ProgrammingError, UnicodeError):
        parameters = {}
    if not parameters or _is_misread(dsn, parameters):
        raise UsageError(
            f"The environment variable {name} is not a valid libpq DSN. In a URL, write %40 for @, %2F"
            " for /, %3A for :, %3F for ? and %25 for % in the password; otherwise quote it: password='…'."
        )
    return parameters


def _is_misread(dsn: str, parameters: Mapping[str, str]) -> bool:
    """Whether libpq has taken a part of an unescaped password for something else, which messages would then show."""
    if dsn.startswith(SCHEMES) and dsn.partition("?")[0].count("@") > 1:
        return True
    places = [parameters.get(key, "") for key in ("host", "hostaddr")]
    names = parameters.get("dbname", "")
    ports = parameters.get("port", "").split(",")
    return (
        any("@" in place and not place.startswith("@") for place in places)
        or "://" in names
        or (dsn.startswith(SCHEMES) and "@" in names and "@" in dsn.partition("://")[2].partition("/")[2])
        or not all(port.isascii() and port.isdigit() for port in ports if port)
    )


def require_local(parameters: Mapping[str, str]) -> None:
    """Check every server that libpq could choose, before it connects to any.

    Raises:
        UsageError: one of them is on another machine.
    """
    for host in servers(parameters):
        if not is_loopback(host):
            raise UsageError(_far(host))


def servers(parameters: Mapping[str, str]) -> Iterator[str]:
    """Every host and address that libpq could choose: those given, else those of its environment."""
    for key, default in DEFAULTS.items():
        yield from parameters.get(key, os.environ.get(default, "")).split(",")


def require_local_peer(connection: Connection) -> None:
    """Check where a connection has led: a service file or a name server may have named any host.

    Raises:
        UsageError: the other end is not on this machine.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        family, peer = ours.family, ours.getpeername()
    if family != socket.AF_UNIX and not is_loopback(peer[0]):
        raise UsageError(_far(peer[0]))


def _far(host: str) -> str:
    return (
        f"The database is on {host}, not on this machine. loadlab puts load on it (and makes its own tables"
        " site in it, if that is what it measures); say --allow-remote if that is what you want."
    )

"""What PgBouncer is told: how it gets to PostgreSQL as the target does, and whom it lets in."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.services.authentication import demand
from loadlab.services.database import refusal
from loadlab.services.secret_files import write_secret
from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg2.extensions import ConnectionInfo
    from psycopg2.extensions import connection as Connection  # noqa: N812  the driver names its class in lower case

    from loadlab.model.pooling import Pooling
    from loadlab.services.authentication import Demand
    from loadlab.services.database import Database

USERS: Final = "users"
# libpq's parameters that say how to reach PostgreSQL; PgBouncer is reached in another way.
ROUTE: Final = frozenset({"host", "hostaddr", "port", "user", "dbname", "service", "passfile"})
ROUTE_PREFIXES: Final = ("ssl", "gss", "krb", "channel_binding", "require", "target_session_attrs", "load_balance")

# Any database is let through under its own name; none of them is forgotten, with its counts, for having been idle.
CONFIGURATION: Final = """\
[databases]
* = host='{host}' port={port}

[pgbouncer]
listen_addr = {loopback}
listen_port = {listen_port}
unix_socket_dir =
auth_type = {auth_type}
auth_file = {auth_file}
admin_users = {admin}
server_tls_sslmode = {server_tls}
pool_mode = {pool_mode}
default_pool_size = {pool_size}
max_client_conn = {max_client_conn}
query_wait_timeout = {query_wait_timeout:.6f}
autodb_idle_timeout = 0
log_connections = 1
log_disconnections = 1
log_stats = 0
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How PgBouncer gets to PostgreSQL as the target does: `host` is an address, or the folder of a socket.

    `others` are the target's parameters of libpq that do not say how to get there.
    """

    host: str
    port: int
    user: str
    password: str
    demand: Demand
    encrypted: bool
    others: dict[str, str]


def way_to(database: Database) -> Way:
    """What libpq makes of the target's parameters: it alone knows all the places where they may come from.

    Raises:
        EnvironmentFaultError: PostgreSQL does not let the target in.
    """
    parameters = {**database.parameters, "dbname": database.observer_name}
    if "passfile" not in parameters and "PGPASSFILE" in database.environment:
        parameters["passfile"] = database.environment["PGPASSFILE"]
    try:
        connection = psycopg2.connect(make_dsn(**parameters))
    except psycopg2.OperationalError as error:
        raise EnvironmentFaultError(refusal(error, database.observer_name)) from error
    with closing(connection):
        info, host = connection.info, _peer(connection)
        explicit = info.dsn_parameters if "service" in database.parameters else database.parameters
        return Way(
            host=host,
            port=info.port,
            user=info.user,
            password=info.password,
            demand=_demand(host, info),
            encrypted=info.ssl_in_use,
            others={key: value for key, value in explicit.items() if not _is_route(key)},
        )


def write_users(home: Path, way: Way, admin: str, password: str) -> None:
    """Write into `home` whom PgBouncer lets in: the target's role, and an administrator of its console."""
    secret_of = {admin: password, way.user: way.demand.secret(way.user, way.password)}
    lines = [f"{_quoted(user)} {_quoted(secret)}\n" for user, secret in secret_of.items()]
    write_secret(home / USERS, "".join(lines), for_program=True)


def write_configuration(home: Path, wanted: Pooling, way: Way, *, port: int, admin: str) -> Path:
    """Write PgBouncer's configuration into `home`, beside its users; returns the path."""
    configuration = home / "pgbouncer.ini"
    text = CONFIGURATION.format(
        host=way.host.replace("'", "''"),
        port=way.port,
        loopback=LOOPBACK,
        listen_port=port,
        auth_type=way.demand.method,
        auth_file=home / USERS,
        admin=admin,
        server_tls="require" if way.encrypted else "disable",
        pool_mode=wanted.pool_mode,
        pool_size=wanted.pool_size,
        max_client_conn=wanted.max_client_conn + 1,  # our console is a client too
        query_wait_timeout=wanted.query_wait_timeout_seconds,
    )
    write_secret(configuration, text, for_program=True)
    return configuration


def _demand(host: str, info: ConnectionInfo) -> Demand:
    try:
        return demand(host, info.port, info.user, info.dbname, encrypted=info.ssl_in_use)
    except OSError as error:
        raise EnvironmentFaultError(
            f"PgBouncer cannot connect to the database: {error}. Fix that, or remove the strategy pgbouncer."
        ) from error


def _is_route(key: str) -> bool:
    return key in ROUTE or key.startswith(ROUTE_PREFIXES)


def _peer(connection: Connection) -> str:
    """The address that libpq has found to work: a name may have others, which PgBouncer would try in turn."""
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        if ours.family == socket.AF_UNIX:
            return connection.info.host
        address: str = ours.getpeername()[0]
        return address


def _quoted(word: str) -> str:
    """As a file of PgBouncer's users has it."""
    return '"' + word.replace('"', '""') + '"'

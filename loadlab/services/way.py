"""The way from the target to PostgreSQL, as libpq finds it: it alone knows all the places that parameters come from."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.services.authentication import demand
from loadlab.services.database import refusal

if TYPE_CHECKING:
    from psycopg2.extensions import ConnectionInfo
    from psycopg2.extensions import connection as Connection  # noqa: N812  the driver names its class in lower case

    from loadlab.services.authentication import Demand
    from loadlab.services.database import Database

# libpq's parameters that say how to reach PostgreSQL; what is put in between is reached in another way.
ROUTE: Final = frozenset({"host", "hostaddr", "port", "user", "dbname", "service", "passfile"})
ROUTE_PREFIXES: Final = ("ssl", "gss", "krb", "channel_binding", "require", "target_session_attrs", "load_balance")


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How the target gets to PostgreSQL: `host` is an address, or the folder of a socket.

    `others` are the target's parameters of libpq that do not say how to get there.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    demand: Demand
    encrypted: bool
    others: dict[str, str]


def way_to(database: Database) -> Way:
    """What libpq makes of the target's parameters.

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


def _demand(host: str, info: ConnectionInfo) -> Demand:
    try:
        return demand(host, info.port, info.user, info.dbname, encrypted=info.ssl_in_use)
    except OSError as error:
        raise EnvironmentFaultError(
            f"It cannot be learnt how PostgreSQL asks for a password: {error}. Fix that, or remove the strategies"
            " pgbouncer and scram_key from the plan."
        ) from error


def _is_route(key: str) -> bool:
    return key in ROUTE or key.startswith(ROUTE_PREFIXES)


def _peer(connection: Connection) -> str:
    """The address that libpq has found to work: a name may have others, which would be tried in turn."""
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        if ours.family == socket.AF_UNIX:
            return connection.info.host
        address: str = ours.getpeername()[0]
        return address

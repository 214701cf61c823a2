"""Connections of others that do nothing: open beside the target, as those of other services are."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.judges.postgresql import PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812  the driver names its class in lower case

    from loadlab.services.database import Database

USED: Final = "SELECT count(*) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"


def idle_of(percent: int, max_connections: int) -> int:
    """How many connections a share of `max_connections` is.

    >>> idle_of(50, 100), idle_of(90, 25), idle_of(0, 100)
    (50, 22, 0)
    """
    return max_connections * percent // 100


@contextmanager
def idle_connections(database: Database, percent: int) -> Iterator[list[Connection]]:
    """Hold so many percent of max_connections until the context ends; each has answered one query and is idle.

    They go to the observer's database, so they are in none of the target's counts.

    Raises:
        EnvironmentFaultError: PostgreSQL has fewer free.
    """
    with ExitStack() as resources:
        yield _opened(database, percent, resources) if percent else []


def _opened(database: Database, percent: int, resources: ExitStack) -> list[Connection]:
    with database.observed() as connection, connection.cursor() as cursor:
        most = PostgreSQL(cursor, database.name).limits().connections
    dsn = make_dsn(**database.observer, dbname=database.observer_name)
    found = []
    try:
        for _ in range(idle_of(percent, most)):
            found.append(psycopg2.connect(dsn))
            resources.callback(found[-1].close)
            _use(found[-1])
    except psycopg2.OperationalError as error:
        raise EnvironmentFaultError(
            f"{percent} % of max_connections = {most} could not be held idle: only {len(found)} connections were free."
        ) from error
    return found


def _use(connection: Connection) -> None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(USED)
        cursor.fetchall()

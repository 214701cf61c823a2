"""PgBouncers for the tests, in front of one embedded PostgreSQL that they have for themselves."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import psycopg2
import pytest
from patience import PATIENCE_SECONDS, await_that
from psycopg2 import sql
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.model.plan import DatabaseOptions
from loadlab.model.pooling import Pooling
from loadlab.services.embedded import embedded
from loadlab.services.pgbouncer import pgbouncer, require_pgbouncer
from loadlab.services.postgresql_programs import embedded_programs
from loadlab.system.ports import free_port
from loadlab.system.processes import UNPRIVILEGED, Register, unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.services.database import Database
    from loadlab.services.pgbouncer import Bouncer

    Pooler = Callable[..., Bouncer]

POOLING: Final = Pooling(pool_mode="transaction", pool_size=5, max_client_conn=50, query_wait_timeout_seconds=20)
SESSIONS: Final = "SELECT sessions FROM pg_stat_database WHERE datname = %s"
BACKENDS: Final = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """PostgreSQL as judge: what it says of one of its databases."""

    register: Register
    database: Database
    cursor: Cursor

    def sessions(self) -> int:
        """How many there were, once the last of them has gone."""
        await_that(lambda: self.backends() == 0)
        return self._count(SESSIONS)

    def backends(self) -> int:
        return self._count(BACKENDS)

    def _count(self, query: str) -> int:
        self.cursor.execute(query, [self.database.name])
        (count,) = self.cursor.fetchone() or (0,)
        return int(count)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ways:
    """A PostgreSQL whose roles log in by different methods, into the database "shop"."""

    register: Register
    sockets: Path
    port: int


RULES: Final = """
local all postgres trust
local all trusted trust
local all {us} peer
local all scrammed scram-sha-256
host all scrammed 127.0.0.1/32 scram-sha-256
host all md5ed 127.0.0.1/32 md5
host all plain 127.0.0.1/32 password
"""
PASSWORD: Final = 'it\'s a "pass\\word"'


def connected(database: Database, **parameters: Any) -> Connection:
    """A client of the target's, in autocommit: each query is a transaction."""
    connection = psycopg2.connect(make_dsn(**{**database.parameters, "dbname": database.name, **parameters}))
    connection.autocommit = True
    return connection


def asked(connection: Connection, query: str) -> Any:
    """The first value that a query gives."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        (value,) = cursor.fetchone() or (None,) if cursor.description else (None,)
    return value


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        require_pgbouncer()
    except EnvironmentFaultError as error:
        pytest.skip(str(error))
    log = tmp_path_factory.mktemp("logs") / "postgresql.log"
    plan = DatabaseOptions(max_connections=60)
    with (
        Register.opened() as register,
        embedded(plan, register, log) as database,
        database.observed() as connection,
        connection.cursor() as cursor,
    ):
        yield Cluster(register=register, database=database, cursor=cursor)


@pytest.fixture(scope="session")
def ways(cluster: Cluster) -> Iterator[Ways]:  # for it skips where there is no PgBouncer
    """Beside its TCP port it has a Unix socket, and the role that is named after us gets in by peer."""
    with Register.opened() as register:
        data, sockets, port = register.folder / "ways", register.folder / "sockets", free_port()
        for folder in (data, sockets):
            folder.mkdir()
            if os.getuid() == 0:
                shutil.chown(folder, UNPRIVILEGED)
        initdb = [
            str(embedded_programs() / "initdb"),
            f"--pgdata={data}",
            "--no-sync",
            "--auth=trust",
            "--username=postgres",
        ]
        subprocess.run([*initdb, "--encoding=UTF8", "--locale=C"], check=True, capture_output=True, **unprivileged())  # type: ignore[call-overload]
        (data / "pg_hba.conf").write_text(RULES.format(us=us()))
        log = register.folder / "postgresql.log"
        argv = [
            str(embedded_programs() / "postgres"),
            "-D",
            str(data),
            "-p",
            str(port),
            "-c",
            "listen_addresses=127.0.0.1",
        ]
        argv += ["-c", f"unix_socket_directories={sockets}"]
        program = register.start("PostgreSQL", argv, log=log, environment={"LC_ALL": "C"}, privileged=False)
        try:
            _make_roles(sockets, port)
            yield Ways(register=register, sockets=sockets, port=port)
        finally:
            program.stop(signal.SIGQUIT, PATIENCE_SECONDS)  # no test reads it again


def us() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _make_roles(sockets: Path, port: int) -> None:
    def accessible() -> bool:
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(host=str(sockets), port=port, user="postgres").close()
            return True
        return False

    await_that(accessible)
    with closing(psycopg2.connect(host=str(sockets), port=port, user="postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET md5_password_warnings = off")
            for role in ("trusted", us(), "scrammed", "md5ed", "plain"):
                cursor.execute("SET password_encryption = %s", ["md5" if role == "md5ed" else "scram-sha-256"])
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD %s").format(sql.Identifier(role)), [PASSWORD])
            cursor.execute("CREATE DATABASE shop")


@pytest.fixture
def pooler(cluster: Cluster, tmp_path: Path) -> Iterator[Pooler]:
    """Opens a PgBouncer in front of the cluster's database, or of another, until the test has ended."""
    with ExitStack() as stack:

        def opened(database: Database | None = None, **wanted: Any) -> Bouncer:
            pooling, log = replace(POOLING, **wanted), tmp_path / "pgbouncer.log"
            return stack.enter_context(
                pgbouncer(pooling, database or cluster.database, cluster.register, cluster.register.folder, log)
            )

        yield opened


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    """Closes what a test has opened, before its PgBouncer goes."""
    with ExitStack() as stack:
        yield stack


def client(clients: ExitStack, bouncer: Bouncer, **parameters: Any) -> Connection:
    return clients.enter_context(closing(connected(bouncer.database, **parameters)))

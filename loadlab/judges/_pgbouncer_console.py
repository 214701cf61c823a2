"""PgBouncer's admin console: one connection that is kept, and never waits for longer than it may."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  the driver names its class in lower case

CONSOLE: Final = "pgbouncer"  # the name that PgBouncer keeps for it
ANSWER_SECONDS: Final = 5.0
# A connection that only carries a request to cancel is not a session of PostgreSQL's; nor is any before its login.
SESSION_STATES: Final = ("active", "being_canceled", "idle", "used", "tested")
CLIENT_STATES: Final = ("active", "waiting")


class PoolerGoneError(EnvironmentFaultError, ConnectionError):
    """PgBouncer does not answer; a sampler takes that for a gap, as with any connection that is lost."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolNow:
    """One pool as SHOW POOLS and SHOW STATS have it; all 0 before its first client.

    `clients` are let in or wait for the pool's very first connection to PostgreSQL; `servers` are logged in there.
    `waited_seconds` grows when a client that has waited gets a server connection.
    """

    clients: int = 0
    servers: int = 0
    waiting: int = 0
    longest_wait_seconds: float = 0.0
    waited_seconds: float = 0.0


class Console:
    """Asks one PgBouncer, at `port` on loopback; connects when first asked, and anew after a failure."""

    def __init__(self, port: int, user: str, password: str) -> None:
        # What the environment says of TLS and options is meant for PostgreSQL.
        self._address = make_dsn(
            host=LOOPBACK, port=port, user=user, password=password, dbname=CONSOLE, sslmode="disable", options=""
        )
        self._connection: Connection | None = None

    def ask(self, command: str, patience_seconds: float | None = None) -> list[dict[str, Any]]:
        """The rows of a command's result, by the names of their columns: versions differ in how many they have.

        Raises:
            PoolerGoneError: no response, or not in time.
        """
        deadline = time.monotonic() + (patience_seconds or ANSWER_SECONDS)
        try:
            connection = self._connected(deadline)
            with connection.cursor() as cursor:
                cursor.execute(command)
                _await(connection, deadline)
                names = [column.name for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in (cursor.fetchall() if names else ())]
        except (psycopg2.Error, OSError) as error:
            self.close()
            said = str(error).strip() or type(error).__name__
            raise PoolerGoneError(f"PgBouncer's console does not answer to {command}: {said}. See its log.") from error

    def look(self, database: str, user: str) -> PoolNow:
        """The pool of one user of one database.

        Raises:
            PoolerGoneError: as `ask`.
        """
        pool = self._pool(database, user)
        waited = (row["total_wait_time"] for row in self.ask("SHOW STATS") if row["database"] == database)
        return PoolNow(
            servers=sum(pool.get(f"sv_{state}", 0) for state in SESSION_STATES),
            clients=pool.get("cl_active", 0) + pool.get("cl_waiting", 0),
            waiting=pool.get("cl_waiting", 0),
            longest_wait_seconds=_longest(pool),
            waited_seconds=float(next(waited, 0)) / 1e6,
        )

    def present(self, database: str, user: str) -> tuple[set[str], set[str]]:
        """All in a pool: clients by their addresses, then servers by their pointers, each as the log names them.

        Raises:
            PoolerGoneError: as `ask`.
        """
        clients, servers = (
            [row for row in self.ask(command) if (row["database"], row["user"]) == (database, user)]
            for command in ("SHOW CLIENTS", "SHOW SERVERS")
        )
        return (
            {f"{row['addr']}:{row['port']}" for row in clients if row["state"] in CLIENT_STATES},
            {row["ptr"] for row in servers if row["state"] in SESSION_STATES},
        )

    def waiting(self, database: str, user: str) -> tuple[int, float]:
        """How many clients of a pool wait for a server connection, and how long the first of them has, in seconds.

        Raises:
            PoolerGoneError: as `ask`.
        """
        pool = self._pool(database, user)
        return pool.get("cl_waiting", 0), _longest(pool)

    def connecting(self, database: str, user: str) -> int:
        """How many connections of a pool to PostgreSQL are in the middle of their login.

        Raises:
            PoolerGoneError: as `ask`.
        """
        return int(self._pool(database, user).get("sv_login", 0))

    def setting(self, name: str) -> int:
        """A number of PgBouncer's configuration.

        Raises:
            PoolerGoneError: as `ask`.
        """
        return next(int(row["value"]) for row in self.ask("SHOW CONFIG") if row["key"] == name)

    def used_clients(self) -> int:
        """Of all pools, and those that are about to be let in or ask questions.

        Raises:
            PoolerGoneError: as `ask`.
        """
        return next(int(row["items"]) for row in self.ask("SHOW LISTS") if row["list"] == "used_clients")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _pool(self, database: str, user: str) -> dict[str, Any]:
        pools = self.ask("SHOW POOLS")
        return next((pool for pool in pools if (pool["database"], pool["user"]) == (database, user)), {})

    def _connected(self, deadline: float) -> Connection:
        if self._connection is None:
            self._connection = psycopg2.connect(self._address, async_=True)
            _await(self._connection, deadline)
        return self._connection


def _longest(pool: dict[str, Any]) -> float:
    return float(pool.get("maxwait", 0)) + float(pool.get("maxwait_us", 0)) / 1e6


def _await(connection: Connection, deadline: float) -> None:
    """Let an asynchronous connection do what it is about; a PgBouncer that hangs must not hang the lab."""
    while (wanted := connection.poll()) != POLL_OK:
        ready = select.poll()
        ready.register(connection.fileno(), select.POLLIN if wanted == POLL_READ else select.POLLOUT)
        if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError("nothing in time")

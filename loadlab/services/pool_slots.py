"""Takes PgBouncer's connections to PostgreSQL from the target's pool, so that the target waits for one."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import POLL_OK, make_dsn

from loadlab.errors import EnvironmentFaultError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from loadlab.judges.pgbouncer import OtherClients
    from loadlab.services.pgbouncer import Bouncer

POLL_SECONDS: Final = 0.005
KEPT_SECONDS: Final = 0.5  # nothing was given back for so long: what others have, they keep
END_SECONDS: Final = 5.0


class _Client:
    """One client in the target's pool, which begins a transaction as soon as it has a connection, and stays in it."""

    def __init__(self, dsn: str, known: OtherClients) -> None:
        self._connection = psycopg2.connect(dsn, async_=True)
        self._known = known
        self._let_in = False
        self.holds = False

    def go_on(self) -> None:
        """Do what can be done without waiting.

        Raises:
            psycopg2.Error: PgBouncer has sent it away.
        """
        if self.holds or self._connection.poll() != POLL_OK:
            return
        if self._let_in:
            self.holds = True
            return
        self._let_in = True
        self._known.opened += 1
        self._known.open += 1
        self._ask("BEGIN")

    def _ask(self, command: str) -> None:
        self._cursor = self._connection.cursor()  # which the driver does not keep
        self._cursor.execute(command)

    def sent_away(self) -> None:
        self._known.refused += 1
        self._closed()

    def end(self) -> None:
        """Give the connection back as a client does that goes on with other things.

        One in the middle of its login is let in first: PgBouncer would count it, and we would not.
        """
        deadline = time.monotonic() + END_SECONDS
        with suppress(psycopg2.Error):
            while not self._let_in and time.monotonic() < deadline:
                self.go_on()
                time.sleep(POLL_SECONDS)
            if self.holds:
                self._ask("ROLLBACK")
                while self._connection.poll() != POLL_OK and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
        self._closed()

    def _closed(self) -> None:
        self._connection.close()
        self._known.open -= self._let_in


class PoolSlots:
    """A context with as many clients as the pool has connections; each takes one, or waits for it."""

    def __init__(self, bouncer: Bouncer) -> None:
        self._bouncer = bouncer
        database = bouncer.database
        self._dsn = make_dsn(**{**database.parameters, "dbname": database.name})
        self._clients: list[_Client] = []

    def __enter__(self) -> Self:
        self._clients = [self._client() for _ in range(self._bouncer.judge.pool_size())]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.end()

    def go_on(self) -> None:
        """Take what has become free; one that was sent away after query_wait_timeout asks anew."""
        for number, client in enumerate(self._clients):
            try:
                client.go_on()
            except psycopg2.Error:
                client.sent_away()
                self._clients[number] = self._client()

    def hold_all(self, seconds: float) -> None:
        """Take them until none is left, or those that are left are not given back.

        Raises:
            EnvironmentFaultError: there are others, for so many seconds.
        """
        deadline = time.monotonic() + seconds
        while not self._is_full():
            if time.monotonic() > deadline:
                raise EnvironmentFaultError(f"PgBouncer's pool was not full after {seconds:g} s.")
            time.sleep(POLL_SECONDS)
            self.go_on()

    def _is_full(self) -> bool:
        if all(client.holds for client in self._clients):
            return True
        _, longest = self._bouncer.judge.waiting()
        return longest > KEPT_SECONDS

    def _client(self) -> _Client:
        return _Client(self._dsn, self._bouncer.judge.others)

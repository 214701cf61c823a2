"""PgBouncer between processes and PostgreSQL, as its source works (`src/objects.c` and `src/janitor.c`).

A client that asks for a server connection gets the one that was last given back. Where none is idle, it waits, and
PgBouncer opens one at a time while clients wait and `size` allows. After a failed attempt it waits for
`server_login_retry`, and until then fails clients at once if it has no server connection. Timeouts are looked at three
times a second.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from loadlab.fleet.engine.database import Connection, RefusedError, UnreachableError
from loadlab.fleet.engine.keepers import DjangoKeeper

if TYPE_CHECKING:
    from loadlab.fleet.engine.database import Owner
    from loadlab.fleet.engine.hosts import Thread
    from loadlab.fleet.engine.simulation import Simulation
    from loadlab.model.fleet import Pooler

LOOKS_PER_SECOND: Final = 3  # full_maint_period in src/janitor.c
LOGIN_RETRY_SECONDS: Final = 15.0  # server_login_retry's default


class ThroughPgBouncer(DjangoKeeper):
    """Django's own connections lead to PgBouncer: a request waits there for one to PostgreSQL."""

    def begin(self, now: float, thread: Thread) -> None:
        if thread.connection is not None:
            self._lose_with_server(now, thread, thread.connection)
        super().begin(now, thread)

    def _hold(self, now: float, thread: Thread) -> None:
        self._agenda.at(now, self._ask, thread)

    def _ask(self, now: float, thread: Thread) -> None:
        pooler = thread.process.route
        if isinstance(pooler, SimulatedPgBouncer):
            pooler.ask(now, thread, self)

    def granted(self, now: float, thread: Thread) -> None:
        """The request has a connection to PostgreSQL."""
        super()._hold(now, thread)

    def denied(self, now: float, thread: Thread, *, refused: bool = False) -> None:
        """PgBouncer closed the client's connection instead."""
        if thread.connection is not None:
            thread.process.route.close(now, thread.connection, "lost")
        self._fail_under_way(thread, refused=refused)
        self._finish(now, thread)

    def _end(self, now: float, thread: Thread) -> None:
        connection, pooler = thread.connection, thread.process.route
        if connection is not None and isinstance(pooler, SimulatedPgBouncer):
            self._lose_with_server(now, thread, connection)
            pooler.transaction_ends(now, connection)
        super()._end(now, thread)

    def _lose_with_server(self, now: float, thread: Thread, client: Connection) -> None:
        """PgBouncer disconnects the client that a lost server connection was linked to."""
        if client.server is not None and not client.server.open:
            thread.process.route.close(now, client, "lost")


class SimulatedPgBouncer:
    """One PgBouncer: a route for processes, and an owner of connections to PostgreSQL."""

    def __init__(self, settings: Pooler, place: int | None, simulation: Simulation) -> None:
        self.place = place
        self.clients_opened = 0
        self._settings = settings
        self._agenda = simulation.agenda
        self._counts = simulation.requests
        self._draws = simulation.draws
        self._database = simulation.database
        self._clients: dict[Connection, None] = {}
        self._servers: list[Connection] = []
        self._idle: list[Connection] = []
        self._waiting: OrderedDict[Thread, tuple[float, ThroughPgBouncer]] = OrderedDict()
        self._logging_in = False
        self._failing = False
        self._retry_at = 0.0
        self._last_life_over = -math.inf

    def connect(self, now: float, owner: Owner) -> Connection:
        if len(self._clients) >= self._settings.most_clients:
            raise RefusedError
        client = Connection(owner, now)
        self._clients[client] = None
        self.clients_opened += 1
        return client

    def connected_once(self, now: float, owner: Owner) -> None:  # noqa: ARG002  whose does not matter here
        """The server connection stays."""
        if self._idle_server_stays() or self._logging_in or self._count() >= self._settings.size:
            return
        with suppress(RefusedError, UnreachableError):
            self._logged_in(now, self._database.connect(now, self))

    def close(self, now: float, connection: Connection, cause: str) -> None:  # noqa: ARG002  PostgreSQL sees none of it
        if connection.open:
            connection.open = False
            del self._clients[connection]
            self._unlink(now, connection)

    def close_all(self, now: float, owner: Owner, cause: str) -> None:
        for client in [each for each in self._clients if each.owner is owner]:
            self.close(now, client, cause)

    def ask(self, now: float, thread: Thread, keeper: ThroughPgBouncer) -> None:
        """The client of this thread wants to query: `keeper.granted` or `keeper.denied` follows."""
        client = thread.connection
        if client is not None and client.server is not None:
            keeper.granted(now, thread)
            return
        server = self._idle_server()
        if server is not None:
            self._link(server, thread)
            keeper.granted(now, thread)
        elif self._failing and not self._count():
            keeper.denied(now, thread)
            self._launch(now)
        else:
            self._waiting[thread] = (now, keeper)
            if self._settings.wait:
                self._agenda.at(_look_after(now + self._settings.wait), self._give_up, (thread, now))
            self._open_more(now)

    def transaction_ends(self, now: float, client: Connection) -> None:
        if self._settings.pool_mode == "transaction":
            self._unlink(now, client)

    def _idle_server(self) -> Connection | None:
        """The one that was last given back; those that were lost meanwhile are forgotten."""
        while self._idle:
            server = self._idle.pop()
            if server.open:
                return server
        return None

    def _idle_server_stays(self) -> bool:
        server = self._idle_server()
        if server is not None:
            self._idle.append(server)
        return server is not None

    def _link(self, server: Connection, thread: Thread) -> None:
        server.busy = True
        if thread.connection is not None:
            thread.connection.server = server

    def _unlink(self, now: float, client: Connection) -> None:
        server, client.server = client.server, None
        if server is None:
            return
        server.busy = False
        server.idle_since = now
        if server.open and self._life_over(now, server):
            self._end_life(now, server)
        if server.open:
            self._offer(now, server)
        else:
            self._open_more(now)

    def _offer(self, now: float, server: Connection) -> None:
        """To the client that has waited longest, or to those to come."""
        if not self._waiting:
            self._idle.append(server)
            return
        thread, (asked, keeper) = self._waiting.popitem(last=False)
        self._counts.wait_over(now - asked)
        self._link(server, thread)
        keeper.granted(now, thread)

    def _give_up(self, now: float, asked: tuple[Thread, float]) -> None:
        thread, when = asked
        if thread in self._waiting and self._waiting[thread][0] == when:
            self._deny(now, thread)

    def _deny(self, now: float, thread: Thread, *, refused: bool = False) -> None:
        asked, keeper = self._waiting.pop(thread)
        self._counts.wait_over(now - asked)
        keeper.denied(now, thread, refused=refused)

    def _count(self) -> int:
        """How many server connections there are."""
        self._servers = [each for each in self._servers if each.open]
        return len(self._servers)

    def _open_more(self, now: float) -> None:
        if self._waiting:
            self._launch(now)

    def _launch(self, now: float) -> None:
        """Open a server connection, if there may be one more, and none is being opened."""
        if self._logging_in or now < self._retry_at or self._count() >= self._settings.size:
            return
        self._logging_in = True
        known = now + next(self._draws.connects)
        try:
            server = self._database.connect(now, self)
        except (RefusedError, UnreachableError) as error:
            self._agenda.at(known, self._login_failed, error)
        else:
            server.busy = True
            self._agenda.at(known, self._logged_in, server)

    def _login_failed(self, now: float, error: Exception) -> None:
        """Clients that wait are told at once if PostgreSQL is full, and no other server connection is left to them."""
        self._logging_in = False
        self._failing = True
        self._retry_at = now + LOGIN_RETRY_SECONDS
        self._agenda.at(self._retry_at, self._retry)
        if isinstance(error, RefusedError) and not self._count():
            for thread in list(self._waiting):
                self._deny(now, thread, refused=True)

    def _retry(self, now: float, _: None) -> None:
        self._open_more(now)

    def _logged_in(self, now: float, server: Connection) -> None:
        if not server.open:
            self._login_failed(now, UnreachableError())
            return
        self._logging_in = False
        self._failing = False
        self._retry_at = 0.0
        self._servers.append(server)
        server.busy = False
        server.idle_since = now
        self._agenda.at(self._next_look(now, server), self._look_at, server)
        self._offer(now, server)
        self._open_more(now)

    def _look_at(self, now: float, server: Connection) -> None:
        """Close it, if it was idle for long enough or is old enough."""
        if not server.open:
            return
        if not server.busy and self._life_over(now, server):
            self._end_life(now, server)
        elif not server.busy and now - server.idle_since > self._idle_seconds:
            self._database.close(now, server, "pooler")
        else:
            self._agenda.at(self._next_look(now, server), self._look_at, server)

    def _next_look(self, now: float, server: Connection) -> float:
        """When PgBouncer looks next at it, and may find a reason to close it."""
        idle = (now if server.busy else server.idle_since) + self._idle_seconds
        old = max(server.opened + self._settings.lifetime, self._last_life_over + self._life_gap)
        return _look_after(min(idle, old if old > now else math.inf))

    @property
    def _idle_seconds(self) -> float:
        return self._settings.idle or math.inf

    @property
    def _life_gap(self) -> float:
        """Between two server connections that end of age, so that not all are opened again together."""
        return self._settings.lifetime / self._settings.size

    def _life_over(self, now: float, server: Connection) -> bool:
        old = now - server.opened >= self._settings.lifetime
        return old and now - self._last_life_over >= self._life_gap

    def _end_life(self, now: float, server: Connection) -> None:
        self._last_life_over = now
        self._database.close(now, server, "pooler")


def _look_after(when: float) -> float:
    """The first look after an instant."""
    return (math.floor(when * LOOKS_PER_SECOND) + 1) / LOOKS_PER_SECOND if when < math.inf else math.inf

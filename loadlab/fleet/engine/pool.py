"""Django's own pool, as psycopg_pool works (`psycopg_pool/pool.py` and `base.py` of version 3.3).

A request takes the connection that was given back longest ago, and gives it back at its end. Where there is none, the
request waits, and the pool grows by one connection at a time while requests wait. The pool looks at the age of a
connection, and whether it was lost, when it is given back; in either case it opens another. Every `max_idle` seconds it
closes one, if at no time since all were lent. With health checks, it tests a connection before it lends it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.fleet.engine.database import RefusedError, UnreachableError
from loadlab.fleet.engine.keepers import Keeper

if TYPE_CHECKING:
    from loadlab.fleet.engine.database import Connection
    from loadlab.fleet.engine.hosts import Process, Thread
    from loadlab.fleet.engine.simulation import Simulation
    from loadlab.model.pooling import ProcessPool

RECONNECT_SECONDS: Final = 300.0  # psycopg_pool's reconnect_timeout, which Django leaves as it is
FIRST_DELAY: Final = 1.0
DELAY_JITTER: Final = 0.1
LIFETIME_JITTER: Final = 0.05


@dataclass(slots=True, eq=False)
class Wish:
    """A request that wants a connection until `deadline`. `delay` is how long it waits before it tests another one."""

    thread: Thread
    asked: float
    deadline: float
    delay: float = 0.0


@dataclass(slots=True, eq=False)
class Attempt:
    """A connection to be added to the pool, tried again and again until `gives_up`."""

    grows: bool
    delay: float = 0.0
    gives_up: float = 0.0
    connection: Connection | None = None


class PoolKeeper(Keeper):
    """A pool in each process, opened by its first request."""

    def __init__(self, simulation: Simulation, sizes: ProcessPool) -> None:
        super().__init__(simulation)
        self._simulation = simulation
        self._sizes = sizes

    def booted(self, now: float, process: Process) -> None:
        """The pool is there from now on; the boot's own query found none of its connections ready."""
        process.pool = PsycopgPool(self._simulation, self._sizes, self, process, now)
        process.pool.asked_once(now)

    def begin(self, now: float, thread: Thread) -> None:
        process = thread.process
        if process.pool is None:
            process.pool = PsycopgPool(self._simulation, self._sizes, self, process, now)
        process.pool.take(now, thread)

    def thread_ends(self, now: float, thread: Thread) -> None:
        """Threads keep no connection."""

    def _end(self, now: float, thread: Thread) -> None:
        connection, pool = thread.connection, thread.process.pool
        if connection is not None and pool is not None:
            if not connection.open:
                self._fail_under_way(thread)
            thread.connection = None
            pool.give_back(now, connection)
        self._finish(now, thread)

    def fail_with(self, now: float, thread: Thread, connection: Connection) -> None:
        """The request fails at its first query, because its connection was lost; the pool gets it back."""
        self.fail(now, thread)
        pool = thread.process.pool
        if pool is not None:
            pool.give_back(now, connection)


class PsycopgPool:
    """One pool: `_idle` connections, those given back longest ago first, and requests that wait for one."""

    def __init__(
        self, simulation: Simulation, sizes: ProcessPool, keeper: PoolKeeper, process: Process, now: float
    ) -> None:
        self._sizes = sizes
        self._tests = simulation.keeping.health_checks
        self._agenda = simulation.agenda
        self._counts = simulation.requests
        self._draws = simulation.draws
        self._keeper = keeper
        self._process = process
        self._idle: deque[Connection] = deque()
        self._waiting: OrderedDict[Wish, None] = OrderedDict()
        self._size = self._sizes.smallest
        self._least_idle = self._size
        self._growing = False
        for _ in range(self._size):
            self._add(now, Attempt(grows=False))
        self._agenda.at(now + self._sizes.max_idle, self._shrink)

    def asked_once(self, now: float) -> None:
        """Grow for a client that has to wait, and does not take part in the rest."""
        if self._size < self._sizes.largest:
            self._grow(now)

    def take(self, now: float, thread: Thread) -> None:
        self._counts.queued += 1
        self._grant(now, Wish(thread, asked=now, deadline=now + self._sizes.timeout))

    def give_back(self, now: float, connection: Connection) -> None:
        connection.busy = False
        connection.idle_since = now
        if connection.open and connection.close_at > now:
            self._offer(now, connection)
        else:
            self._process.route.close(now, connection, "pool")
            self._add(now, Attempt(grows=False))

    def _grant(self, now: float, wish: Wish) -> None:
        """Lend it an idle connection, or let it wait for one."""
        if self._idle:
            connection = self._idle.popleft()
            self._least_idle = min(self._least_idle, len(self._idle))
            self._lend(now, connection, wish)
            return
        self._waiting[wish] = None
        self._agenda.at(wish.deadline, self._give_up, wish)
        if self._size < self._sizes.largest and not self._growing:
            self._grow(now)

    def _offer(self, now: float, connection: Connection) -> None:
        """Lend a connection to the request that has waited longest, or keep it."""
        if self._waiting:
            self._lend(now, connection, self._waiting.popitem(last=False)[0])
        else:
            self._idle.append(connection)

    def _lend(self, now: float, connection: Connection, wish: Wish) -> None:
        if connection.open:
            self._decided(now, wish)
            reuses, connection.used = connection.used, True
            self._keeper.serve(now, wish.thread, connection, reuses=reuses)
        elif self._tests:
            self._add(now, Attempt(grows=False))
            self._agenda.at(min(now + wish.delay, wish.deadline), self._test_another, wish)
            wish.delay = 2 * wish.delay or self._first_delay()
        else:
            self._decided(now, wish)
            self._keeper.fail_with(now, wish.thread, connection)

    def _test_another(self, now: float, wish: Wish) -> None:
        if now >= wish.deadline:
            self._fail(now, wish)
        else:
            self._grant(now, wish)

    def _give_up(self, now: float, wish: Wish) -> None:
        if wish in self._waiting:
            del self._waiting[wish]
            self._fail(now, wish)

    def _fail(self, now: float, wish: Wish) -> None:
        self._decided(now, wish)
        self._keeper.fail(now, wish.thread)

    def _decided(self, now: float, wish: Wish) -> None:
        self._counts.queued -= 1
        if now > wish.asked:
            self._counts.wait_over(now - wish.asked)

    def _grow(self, now: float) -> None:
        self._growing = True
        self._size += 1
        self._add(now, Attempt(grows=True))

    def _add(self, now: float, attempt: Attempt) -> None:
        """Try to open one more connection."""
        if self._process.ended:
            return
        connected = now + next(self._draws.connects)
        try:
            attempt.connection = self._process.route.connect(now, self._process)
        except (RefusedError, UnreachableError):
            self._agenda.at(connected, self._try_later, attempt)
        else:
            self._agenda.at(connected, self._added, attempt)

    def _try_later(self, now: float, attempt: Attempt) -> None:
        """Wait twice as long as before the last attempt, or give up when attempts have failed for long."""
        if attempt.gives_up and now >= attempt.gives_up:
            self._size -= 1
            if attempt.grows:
                self._growing = False
            return
        attempt.gives_up = attempt.gives_up or now + RECONNECT_SECONDS
        attempt.delay = 2 * attempt.delay or self._first_delay()
        self._agenda.at(min(now + attempt.delay, max(now, attempt.gives_up)), self._add, attempt)

    def _added(self, now: float, attempt: Attempt) -> None:
        connection = attempt.connection
        if self._process.ended or connection is None:
            return
        if not connection.open:
            self._try_later(now, attempt)
            return
        connection.close_at = now + self._sizes.max_lifetime * (1 - LIFETIME_JITTER * next(self._draws.uniforms))
        connection.idle_since = now
        self._offer(now, connection)
        if attempt.grows:
            if self._size < self._sizes.smallest or (self._size < self._sizes.largest and self._waiting):
                self._grow(now)
            else:
                self._growing = False

    def _shrink(self, now: float, _: None) -> None:
        """Close one connection, if at no time since the last look all were lent."""
        if self._process.ended:
            return
        unused, self._least_idle = self._least_idle, len(self._idle)
        if self._size > self._sizes.smallest and unused > 0 and self._idle:
            self._size -= 1
            self._least_idle -= 1
            self._process.route.close(now, self._idle.popleft(), "pool")
        self._agenda.at(now + self._sizes.max_idle, self._shrink)

    def _first_delay(self) -> float:
        return FIRST_DELAY * (1 + DELAY_JITTER * (2 * next(self._draws.uniforms) - 1))

"""How a request gets its connection, and what becomes of the connection afterwards.

`close_old_connections` runs at the start and at the end of each request, in its thread: it closes the thread's
connection if the connection has reached CONN_MAX_AGE, or if an error occurred and it works no longer. The age counts
from the moment at which Django begins to connect. Nothing else closes a connection: that of an idle thread stays.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from loadlab.fleet.engine.database import RefusedError, UnreachableError
from loadlab.fleet.engine.garbage import Searches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.fleet.engine.database import Connection
    from loadlab.fleet.engine.hosts import Process, Thread
    from loadlab.fleet.engine.simulation import Simulation


class Keeper(ABC):
    """Serves the request of a thread with a connection, and calls `simulation.finish` at the request's end."""

    def __init__(self, simulation: Simulation) -> None:
        self._agenda = simulation.agenda
        self._counts = simulation.requests
        self._draws = simulation.draws
        self._simulation = simulation

    @abstractmethod
    def begin(self, now: float, thread: Thread) -> None:
        """A request begins in this thread."""

    @abstractmethod
    def thread_ends(self, now: float, thread: Thread) -> None:
        """A thread ends that serves no request now."""

    def booted(self, now: float, process: Process) -> None:
        """A server that starts has connected once, as runserver does."""
        process.route.connected_once(now, process)

    def serve(self, now: float, thread: Thread, connection: Connection, *, reuses: bool) -> None:
        """The request has this connection, which others have had before it if it `reuses` it."""
        if reuses:
            self._counts.reused += 1
        else:
            self._counts.connected += 1
        thread.reuses = reuses
        thread.connection = connection
        connection.busy = True
        self._hold(now, thread)

    def fail(self, now: float, thread: Thread, *, refused: bool = False) -> None:
        """The request gets no connection that works; it ends now."""
        if refused:
            self._counts.refused += 1
        else:
            self._counts.failed += 1
        self._agenda.at(now, self._end_in_vain, thread)

    def _hold(self, now: float, thread: Thread) -> None:
        self._agenda.at(now + next(self._draws.holds), self._end, thread)

    @abstractmethod
    def _end(self, now: float, thread: Thread) -> None:
        """The request ends that held this thread's connection."""

    def _finish(self, now: float, thread: Thread) -> None:
        """The request has ended."""
        self._simulation.finish(now, thread)

    def _end_in_vain(self, now: float, thread: Thread) -> None:
        thread.connection = None
        self._finish(now, thread)

    def _fail_under_way(self, thread: Thread, *, refused: bool = False) -> None:
        """The connection was lost under a request, which counts as failed instead of served."""
        if thread.reuses:
            self._counts.reused -= 1
        else:
            self._counts.connected -= 1
        if refused:
            self._counts.refused += 1
        else:
            self._counts.failed += 1
        thread.connection = None


class DjangoKeeper(Keeper):
    """Django's own connections: one for each thread, which only this thread finds."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation)
        keeping = simulation.keeping
        self._age = math.inf if keeping.max_age is None else keeping.max_age
        self._cause_at_end = "expired" if self._age else "request_end"
        self._checks_at_end = keeping.checks_at_end
        self._health_checks = keeping.health_checks
        self._thread_stays = keeping.keeper == "thread"
        spread = simulation.spread
        threads_end = not self._thread_stays or keeping.idle_thread_seconds is not None
        self._searches = Searches(spread) if spread.collected_after and threads_end else None

    def begin(self, now: float, thread: Thread) -> None:
        process = thread.process
        if self._searches is not None:
            self._collect(now, thread, self._searches)
        connection = thread.connection
        if connection is not None and connection.close_at <= now:
            process.route.close(now, connection, "expired")
            connection = None
        if connection is None:
            self._connect(now, thread)
        elif connection.open:
            self.serve(now, thread, connection, reuses=True)
        elif self._health_checks:
            self._connect(now, thread)
        else:
            self.fail(now, thread)

    def thread_ends(self, now: float, thread: Thread) -> None:
        """Its connection is found by no other thread; it is open until the garbage collector takes it."""
        connection, thread.connection = thread.connection, None
        process = thread.process
        if connection is not None and process.garbage is not None:
            self._close(now, process, process.garbage.leave(connection, process.requests))

    def fail(self, now: float, thread: Thread, *, refused: bool = False) -> None:
        if thread.process.garbage is not None:
            thread.process.garbage.failed()
        super().fail(now, thread, refused=refused)

    def _connect(self, now: float, thread: Thread) -> None:
        process = thread.process
        connected = now + next(self._draws.connects)
        try:
            connection = process.route.connect(now, process)
        except RefusedError:
            self.fail(connected, thread, refused=True)
        except UnreachableError:
            self.fail(connected, thread)
        else:
            connection.close_at = now + self._age
            connection.mark = thread.mark
            self.serve(connected, thread, connection, reuses=False)

    def _end(self, now: float, thread: Thread) -> None:
        connection = thread.connection
        if connection is None or not connection.open:
            self._fail_under_way(thread)
        elif connection.close_at <= now and self._checks_at_end:
            thread.process.route.close(now, connection, self._cause_at_end)
            thread.connection = None
        else:
            connection.busy = False
            connection.idle_since = now
            if not self._thread_stays:
                self.thread_ends(now, thread)
        self._finish(now, thread)

    def _finish(self, now: float, thread: Thread) -> None:
        if thread.process.garbage is not None:
            thread.process.garbage.ended()
        super()._finish(now, thread)

    def _collect(self, now: float, thread: Thread, searches: Searches) -> None:
        """A search that this request brings about while it connects finds its connection in use."""
        process = thread.process
        if process.garbage is None:
            process.garbage = searches.garbage(self._draws.uniforms)
        self._close(now, process, process.garbage.before())
        thread.mark = process.garbage.mark()
        self._close(now, process, process.garbage.begin(process.requests))

    def _close(self, now: float, process: Process, collected: Iterable[Connection]) -> None:
        for connection in collected:
            process.route.close(now, connection, "garbage_collected")

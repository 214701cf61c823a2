"""How Django keeps the connection of a thread, and what becomes of it when the thread ends.

`close_old_connections` runs at the start and at the end of each request, in its thread: it closes the thread's
connection if the connection has reached CONN_MAX_AGE, or if an error occurred and it works no longer. The age counts
from the moment at which Django begins to connect. Nothing else closes a connection: that of an idle thread stays.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from loadlab.fleet.engine.database import RefusedError, UnreachableError

if TYPE_CHECKING:
    from loadlab.fleet.engine.database import Connection
    from loadlab.fleet.engine.hosts import Process, Thread
    from loadlab.fleet.engine.simulation import Simulation


class Keeper(ABC):
    """Serves the request of a thread with a connection, and calls `simulation.finish` at the request's end."""

    def __init__(self, simulation: Simulation) -> None:
        self._agenda = simulation.agenda
        self._counts = simulation.requests
        self._database = simulation.database
        self._draws = simulation.draws
        self._finish = simulation.finish
        self._keeping = simulation.keeping

    @abstractmethod
    def begin(self, now: float, thread: Thread) -> None:
        """A request begins in this thread."""

    @abstractmethod
    def thread_ends(self, now: float, thread: Thread) -> None:
        """A thread ends that serves no request now."""


class DjangoKeeper(Keeper):
    """Django's own connections: one for each thread, which only this thread finds."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation)
        age = self._keeping.max_age
        self._age = math.inf if age is None else age
        self._cause_at_end = "expired" if self._age else "request_end"
        self._health_checks = self._keeping.health_checks
        self._checks_at_end = self._keeping.checks_at_end
        self._thread_stays = self._keeping.keeper == "thread"
        self._collected_after = simulation.spread.collected_after
        self._entered = count()

    def begin(self, now: float, thread: Thread) -> None:
        process = thread.process
        if process.garbage and process.garbage[0][0] <= process.requests:
            self._collect(now, process)
        connection = thread.connection
        if connection is not None and connection.close_at <= now:
            self._database.close(now, connection, "expired")
            connection = None
        if connection is None:
            self._connect(now, thread)
        elif connection.open:
            self._counts.reused += 1
            thread.reuses = True
            connection.busy = True
            self._agenda.at(now + next(self._draws.holds), self._end, thread)
        elif self._health_checks:
            self._connect(now, thread)
        else:
            self._counts.failed += 1
            thread.reuses = False
            self._agenda.at(now, self._end_in_vain, thread)

    def _connect(self, now: float, thread: Thread) -> None:
        thread.reuses = False
        seconds = next(self._draws.connects)
        try:
            connection = self._database.connect(now, thread.process)
        except RefusedError:
            self._counts.refused += 1
        except UnreachableError:
            self._counts.failed += 1
        else:
            self._counts.connected += 1
            connection.close_at = now + self._age
            connection.busy = True
            thread.connection = connection
            self._agenda.at(now + seconds + next(self._draws.holds), self._end, thread)
            return
        self._agenda.at(now + seconds, self._end_in_vain, thread)

    def _end_in_vain(self, now: float, thread: Thread) -> None:
        """The request had no connection that worked; Django keeps none."""
        thread.connection = None
        self._finish(now, thread)

    def _end(self, now: float, thread: Thread) -> None:
        connection = thread.connection
        if connection is None or not connection.open:
            self._fail_under_way(thread)
        elif self._checks_at_end and connection.close_at <= now:
            self._database.close(now, connection, self._cause_at_end)
            thread.connection = None
        else:
            connection.busy = False
            connection.idle_since = now
            if not self._thread_stays:
                self.thread_ends(now, thread)
        self._finish(now, thread)

    def _fail_under_way(self, thread: Thread) -> None:
        """The connection was lost under a request, which counts as failed instead."""
        if thread.reuses:
            self._counts.reused -= 1
        else:
            self._counts.connected -= 1
        self._counts.failed += 1
        thread.connection = None

    def thread_ends(self, now: float, thread: Thread) -> None:
        """Its connection is found by no other thread; it is open until the garbage collector takes it."""
        connection, thread.connection = thread.connection, None
        if connection is not None and self._collected_after:
            process = thread.process
            place = int(next(self._draws.uniforms) * len(self._collected_after))
            entry = (process.requests + self._collected_after[place], next(self._entered), connection)
            heappush(process.garbage, entry)
            if entry[0] <= process.requests:
                self._collect(now, process)

    def _collect(self, now: float, process: Process) -> None:
        while process.garbage and process.garbage[0][0] <= process.requests:
            connection: Connection = heappop(process.garbage)[2]
            self._database.close(now, connection, "garbage_collected")

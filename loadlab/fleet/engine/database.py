"""PostgreSQL as a fleet sees it: it has so many places, loses connections, and may end idle ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadlab.fleet.engine.agenda import Agenda
    from loadlab.fleet.engine.counting import SessionCounts
    from loadlab.fleet.engine.hosts import Process
    from loadlab.model.fleet import Outage, Scene


class RefusedError(Exception):
    """All places of PostgreSQL that the fleet may have are taken."""


class UnreachableError(Exception):
    """PostgreSQL is down, or cannot be reached from this host."""


class Connection:
    """A session of PostgreSQL, and what its client knows of it: `open` turns false without the client's knowledge.

    `close_at` is Django's: the connection has reached its maximum age then. `idle_since` counts while not `busy`.
    """

    __slots__ = ("busy", "close_at", "idle_since", "open", "opened", "process")

    def __init__(self, process: Process, now: float) -> None:
        self.process = process
        self.opened = now
        self.close_at = math.inf
        self.open = True
        self.busy = False
        self.idle_since = now


class PostgreSQL:
    """Opens and closes sessions. A session counts from the moment at which its client begins to connect."""

    def __init__(self, scene: Scene, agenda: Agenda, counts: SessionCounts) -> None:
        self._free = scene.database.free
        idle = scene.conditions.idle_seconds
        self._idle_seconds = math.inf if idle is None else idle
        self._outages = scene.outages
        self._agenda = agenda
        self._counts = counts
        self._sessions: dict[Connection, None] = {}  # in the order of opening, so that a seed gives one result
        for outage in scene.outages:
            agenda.at(outage.start, self._lose_all, outage)

    @property
    def open(self) -> int:
        return len(self._sessions)

    def connect(self, now: float, process: Process) -> Connection:
        """A new session for a process.

        Raises:
            RefusedError: no place is free.
            UnreachableError: there is an outage at the process's host.
        """
        if self._outages and self._unreachable(now, process.host.number):
            raise UnreachableError
        if len(self._sessions) >= self._free:
            raise RefusedError
        connection = Connection(process, now)
        self._sessions[connection] = None
        self._counts.opened(now)
        if self._idle_seconds < math.inf:
            self._agenda.at(now + self._idle_seconds, self._end_if_idle, connection)
        return connection

    def close(self, now: float, connection: Connection, cause: str) -> None:
        """Close it, if it is open."""
        if connection.open:
            connection.open = False
            del self._sessions[connection]
            self._counts.closed(now, now - connection.opened, cause)

    def close_all(self, now: float, process: Process, cause: str) -> None:
        for connection in [each for each in self._sessions if each.process is process]:
            self.close(now, connection, cause)

    def _unreachable(self, now: float, host: int) -> bool:
        return any(each.start <= now < each.end and each.first <= host < each.last for each in self._outages)

    def _lose_all(self, now: float, outage: Outage) -> None:
        for connection in [each for each in self._sessions if outage.first <= each.process.host.number < outage.last]:
            self.close(now, connection, "lost")

    def _end_if_idle(self, now: float, connection: Connection) -> None:
        """End it if it was idle for so long; otherwise look again when it can have been."""
        if not connection.open:
            return
        due = (now if connection.busy else connection.idle_since) + self._idle_seconds
        if due <= now:
            self.close(now, connection, "lost")
        else:
            self._agenda.at(due, self._end_if_idle, connection)

"""PostgreSQL as a fleet sees it: it has so many places, loses connections, and may end idle ones."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from loadlab.fleet.engine.agenda import Agenda
    from loadlab.fleet.engine.counting import SessionCounts
    from loadlab.model.fleet import Outage, Scene


class RefusedError(Exception):
    """All places are taken: those of PostgreSQL that the fleet may have, or those of a pooler for its clients."""


class UnreachableError(Exception):
    """PostgreSQL is down, or cannot be reached from this host."""


class Owner(Protocol):
    """Who opens connections: a process, or a pooler. `place` is the number of its host, None of a host apart."""

    @property
    def place(self) -> int | None: ...


class Connection:
    """A session, and what its client knows of it: `open` turns false without the client's knowledge.

    `close_at` is Django's: the connection has reached its maximum age then. `idle_since` counts while not `busy`.
    `used` says whether it has served a request, and `mark` how often its process had searched for garbage before it
    opened. `server` is what a pooler has linked to the connection of a client.
    """

    __slots__ = ("busy", "close_at", "idle_since", "mark", "open", "opened", "owner", "server", "used")

    def __init__(self, owner: Owner, now: float) -> None:
        self.owner = owner
        self.opened = now
        self.close_at = math.inf
        self.open = True
        self.busy = False
        self.idle_since = now
        self.used = False
        self.mark = (0, 0)
        self.server: Connection | None = None


class Route(Protocol):
    """The way of a process to PostgreSQL: straight, or through a pooler."""

    def connect(self, now: float, owner: Owner) -> Connection:
        """A new session.

        Raises:
            RefusedError: no place is free.
            UnreachableError: there is an outage between the two.
        """

    def connected_once(self, now: float, owner: Owner) -> None:
        """A server that starts has connected, and closed its connection."""

    def close(self, now: float, connection: Connection, cause: str) -> None:
        """Close it, if it is open."""

    def close_all(self, now: float, owner: Owner, cause: str) -> None:
        """Close all connections of one owner."""


class SimulatedPostgreSQL:
    """Opens and closes sessions. A session counts from the moment at which its client begins to connect."""

    def __init__(self, scene: Scene, agenda: Agenda, counts: SessionCounts) -> None:
        self._hosts = scene.hosts
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

    def connect(self, now: float, owner: Owner) -> Connection:
        if self._outages and self._unreachable(now, owner):
            raise UnreachableError
        if len(self._sessions) >= self._free:
            raise RefusedError
        connection = Connection(owner, now)
        self._sessions[connection] = None
        self._counts.opened(now)
        if self._idle_seconds < math.inf:
            self._agenda.at(now + self._idle_seconds, self._end_if_idle, connection)
        return connection

    def connected_once(self, now: float, owner: Owner) -> None:
        with suppress(RefusedError, UnreachableError):
            self.close(now, self.connect(now, owner), "request_end")

    def close(self, now: float, connection: Connection, cause: str) -> None:
        if connection.open:
            connection.open = False
            del self._sessions[connection]
            self._counts.closed(now, now - connection.opened, cause)

    def close_all(self, now: float, owner: Owner, cause: str) -> None:
        for connection in [each for each in self._sessions if each.owner is owner]:
            self.close(now, connection, cause)

    def _unreachable(self, now: float, owner: Owner) -> bool:
        return any(each.start <= now < each.end and self._hits(each, owner) for each in self._outages)

    def _hits(self, outage: Outage, owner: Owner) -> bool:
        """Whether it cuts off an owner; one on a host apart only where all hosts are."""
        if owner.place is None:
            return outage.first <= 0 and outage.last >= self._hosts
        return outage.first <= owner.place < outage.last

    def _lose_all(self, now: float, outage: Outage) -> None:
        for connection in [each for each in self._sessions if each.open and self._hits(outage, each.owner)]:
            if outage.gone_at <= now:
                self.close(now, connection, "lost")
            else:
                connection.open = False
                self._agenda.at(outage.gone_at, self._notice, connection)

    def _notice(self, now: float, connection: Connection) -> None:
        """Close a connection that its client lost earlier."""
        del self._sessions[connection]
        self._counts.closed(now, now - connection.opened, "lost")

    def _end_if_idle(self, now: float, connection: Connection) -> None:
        """End it if it was idle for so long; otherwise look again when it can have been."""
        if not connection.open:
            return
        due = (now if connection.busy else connection.idle_since) + self._idle_seconds
        if due <= now:
            self.close(now, connection, "lost")
        else:
            self._agenda.at(due, self._end_if_idle, connection)

"""Joins a listing with what the database says: which of its sessions is which connection, and which are not ours.

A connection and a session belong together if the database's number for both is the same, and the session is not younger
than the connection: numbers are given anew once a session has ended. The text of a query tells nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from loadlab.listing.ordering import worst_first
from loadlab.model.holders import Holder
from loadlab.model.open_connections import GONE, OpenConnection, Session
from loadlab.model.text import listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.listing.sessions import Backend, DatabaseSessions
    from loadlab.model.open_connections import Listing

    Rows = list[tuple[int, OpenConnection]]
    Servers = dict[float, list["DatabaseReading"]]  # those of each, by what tells servers apart

LARGEST_PID: Final = 1 << 22  # of a process of Linux; a pooler's numbers are random and of 31 or 32 bits
SLACK_SECONDS: Final = 2.0  # between two clocks, and within a reading
DRIFT: Final = 0.001  # of an age: two clocks do not run alike, and connections may be open for weeks
CONNECT_SECONDS: Final = 30.0  # the longest that a session is older than its connection, where that proves something
BEGINNING_SECONDS: Final = 0.5  # from the start of a session to when the project counts it as open
POSTGRESQL: Final = "postgresql"


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseReading:
    """What a database said, of the connections of `aliases`; None where it is not known whose database it is.

    The listing was read so many seconds `before` and `after` that. `pooled`: the question went through a pooler.
    """

    sessions: DatabaseSessions
    aliases: tuple[str, ...] | None = None
    before: float
    after: float
    pooled: bool = False


def joined(before: Listing, after: Listing, asked: Sequence[DatabaseReading]) -> Listing:
    """The later of two listings, with what databases have said between them.

    Only both together tell whose a session is: a connection may have been closed in between, or opened.
    """
    joins = [_Join(before, after, one) for one in asked]
    sessions = dict(found for join in joins for found in join.sessions())
    ours = [replace(one, session=sessions.get(number)) for number, one in enumerate(after.connections)]
    others = [one for join in joins for one in join.others()]
    servers = _by_server(asked)
    return replace(
        after,
        connections=worst_first([*ours, *others]),
        asked=bool(asked),
        limit=asked[0].sessions.limit if len(servers) == 1 else None,
        notes=(*after.notes, *_limits(servers), *(note for join in joins for note in join.notes())),
    )


def _by_server(asked: Sequence[DatabaseReading]) -> Servers:
    servers: Servers = {}
    for one in asked:
        servers.setdefault(one.sessions.server, []).append(one)
    return servers


def _limits(servers: Servers) -> Iterator[str]:
    """What each of several servers accepts: no one limit is that of all connections."""
    for readings in servers.values() if len(servers) > 1 else ():
        aliases = listed([alias for one in readings for alias in one.aliases or ()])
        count = sum(len(one.sessions.backends) for one in readings)
        yield (
            f"The server of {aliases} accepts {readings[0].sessions.limit:,} sessions in all, and has {count:,} in the"
            " databases that were asked."
        )


class _Join:
    """One database's sessions, and the connections that may be theirs: each by its place in the listing."""

    def __init__(self, before: Listing, after: Listing, asked: DatabaseReading) -> None:
        self._asked = asked
        # A session that begins in the future: the database's clock was set back, and no age proves anything.
        self._set_back = any((one.seconds or 0.0) < -SLACK_SECONDS for one in asked.sessions.backends)
        self._silent = sorted({*before.silent, *after.silent})
        self._uncounted = before.uncounted or after.uncounted
        self._by_pid = {backend.pid: backend for backend in asked.sessions.backends}
        self._rows = {alias: rows for alias in self._candidates(after) if (rows := _rows_of(alias, after))}
        # Behind a pooler, sessions outlive the connections that they served: also where none is open now.
        self._numbers = {alias: _numbers_of(alias, after) for alias in self._candidates(after)}
        self._pooled = [alias for alias in self._numbers if self._is_pooled(alias)]
        found = {alias: self._found(rows) for alias, rows in self._rows.items() if alias not in self._pooled}
        self._found_of = {alias: one for alias, one in found.items() if self._is_here(alias, one)}
        self._partly = self._partly_here(found)
        self._found_of |= self._partly
        self._strange = [alias for alias in found if alias not in self._found_of]
        earlier = [one for alias in self._found_of for _, one in _rows_of(alias, before)]
        closed = {backend.pid for one in earlier if (backend := self._session_of(one, asked.before)) is not None}
        self._ours = closed | {backend.pid for one in self._found_of.values() for backend in one.values()}

    def _candidates(self, listing: Listing) -> Iterable[str]:
        if self._asked.aliases is not None:
            return self._asked.aliases
        of_postgresql = [alias for alias, one in listing.aliases.items() if one.vendor == POSTGRESQL]
        return of_postgresql or dict.fromkeys(one.alias for one in listing.connections)

    def _is_pooled(self, alias: str) -> bool:
        numbers = self._numbers[alias]
        impossible = sum(not 0 <= number <= LARGEST_PID for number in numbers)
        return self._asked.pooled or 2 * impossible > len(numbers)

    @property
    def _not_told(self) -> bool:
        """Whether what is known of the project cannot tell its sessions from those of other programs."""
        return bool(self._silent) or self._uncounted or self._may_be_pooled

    @property
    def _may_be_pooled(self) -> bool:
        if self._asked.aliases is not None or self._found_of:
            return False
        return not self._numbers or not all(map(any, self._numbers.values()))

    def _found(self, rows: Rows) -> dict[int, Backend]:
        found = ((number, self._session_of(one, -self._asked.after)) for number, one in rows)
        return {number: backend for number, backend in found if backend is not None}

    def _session_of(self, one: OpenConnection, since_seconds: float) -> Backend | None:
        """Its session, if there is one; the listing was read so many seconds before the database was asked."""
        backend = self._by_pid.get(one.backend)
        if backend is None or self._set_back:
            return backend
        slack = SLACK_SECONDS + DRIFT * (one.opened_seconds or 0.0)
        return backend if _older_by(backend, one, since_seconds) >= -slack else None

    def _is_here(self, alias: str, found: dict[int, Backend]) -> bool:
        """Whether the alias is of this database. Two servers may well have the same number for two sessions."""
        if self._asked.aliases is not None:
            return True
        if not found or len(self._rows) == 1:
            return bool(found)
        return 2 * len(self._as_old(alias, found)) >= self._numbered(alias)

    def _numbered(self, alias: str) -> int:
        """How many of its connections have a number: processes of an earlier loadlab note none."""
        return sum(bool(one.backend) for _, one in self._rows[alias])

    def _as_old(self, alias: str, found: dict[int, Backend]) -> dict[int, Backend]:
        """Those whose session began when the connection did."""
        rows, since = dict(self._rows[alias]), -self._asked.after
        return {n: backend for n, backend in found.items() if _older_by(backend, rows[n], since) < CONNECT_SECONDS}

    def _partly_here(self, found: dict[str, dict[int, Backend]]) -> dict[str, dict[int, Backend]]:
        """Aliases of which the database has few connections, as when it has ended the others or was restarted.

        Their sessions are ours, unless ages speak against it, or another alias has them.
        """
        taken = {backend.pid for one in self._found_of.values() for backend in one.values()}
        rest = {alias: self._as_old(alias, one) for alias, one in found.items() if alias not in self._found_of}
        few = {alias: {n: one for n, one in old.items() if one.pid not in taken} for alias, old in rest.items()}
        return {alias: one for alias, one in few.items() if one}

    def sessions(self) -> Iterator[tuple[int, Session]]:
        """What the database says of each connection that is in its count, or was."""
        for alias, found in self._found_of.items():
            yield from ((number, backend.session) for number, backend in found.items())
            yield from ((number, Session(state=GONE)) for number in self._gone(alias))

    def _gone(self, alias: str) -> list[int]:
        """Those that the database has ended: they were open when it was asked, and it has no such session."""
        if alias in self._partly:
            return []
        found, since = self._found_of[alias], self._asked.after + SLACK_SECONDS
        return [
            number
            for number, one in self._rows[alias]
            if number not in found and one.backend and (one.opened_seconds is None or one.opened_seconds > since)
        ]

    def others(self) -> Iterator[OpenConnection]:
        """Sessions that no process of the project has; none where that cannot be told."""
        alias = next(iter([*self._found_of, *(self._asked.aliases or ())]), "")
        holder = Holder.NOT_TOLD if self._not_told else Holder.NOT_OURS
        for backend in self._strangers():
            if not self._is_new(backend):
                yield OpenConnection(
                    alias=alias,
                    holder=holder,
                    backend=backend.pid,
                    opened_seconds=backend.seconds,
                    used_seconds=backend.session.state_seconds,
                    session=backend.session,
                )

    def _strangers(self) -> list[Backend]:
        if self._pooled or (self._strange and not self._found_of):
            return []
        return [backend for backend in self._asked.sessions.backends if backend.pid not in self._ours]

    def _is_new(self, backend: Backend) -> bool:
        """Whether it began after the first reading, so that one of ours may have been opened and closed unseen."""
        if backend.seconds is None or self._set_back:
            return False
        return backend.seconds < self._asked.before + BEGINNING_SECONDS

    def notes(self) -> Iterator[str]:
        seen = self._asked.sessions
        for alias in self._pooled:
            yield (
                f"{alias}: a pooler is between the project and the database, and has its own numbers for connections."
                f" Which of the {len(seen.backends)} sessions of database {seen.database} serve this project cannot be"
                " told, nor which are not ours."
            )
        so = "" if self._found_of else "; so no session is called not ours"
        for alias in self._strange:
            yield (
                f"{alias}: none of its connections is among the sessions of database {seen.database}. A pooler may be"
                f" in between, or another database was asked{so}."
            )
        for alias, few in self._partly.items():
            are = "is" if len(few) == 1 else "are"
            yield (
                f"{alias}: {len(few)} of its {self._numbered(alias)} connections {are} among the sessions of database"
                f" {seen.database}. The database has ended the others, or they lead to another one."
            )
        if self._strangers() and self._silent:
            yield (
                f"Sessions of database {seen.database} that no listed host has may be of those that gave no listing:"
                f" {listed(self._silent)}."
            )
        if self._strangers() and self._may_be_pooled:
            yield (
                f"No process of the project has a connection to tell by: the sessions of database {seen.database} may"
                " be of a pooler that the project uses. Have the site answer a request that queries, and list again."
            )
        yield from self._notes_of_sessions()

    def _notes_of_sessions(self) -> Iterator[str]:
        seen = self._asked.sessions
        if self._set_back:
            yield (
                f"The clock of database {seen.database} was set back: some of its sessions begin in the future, and are"
                " matched by their numbers alone."
            )
        for alias in self._found_of:
            if gone := len(self._gone(alias)):
                yield f"{alias}: the database has ended {plural(gone, 'connection')} that the project still holds."
        if new := sum(map(self._is_new, self._strangers())):
            yield f"Sessions of {seen.database} that began while this was read: {new}. Whose they are is not known."
        if hidden := seen.hidden:
            yield (
                f"The role {seen.role} may not see what {hidden} sessions of other roles do. To see it, grant the role"
                " pg_read_all_stats or pg_monitor."
            )
        unnumbered = sum(not one.backend for alias in self._found_of for _, one in self._rows[alias])
        if unnumbered and self._strangers():
            yield (
                f"The database's numbers of {plural(unnumbered, 'connection')} of this project are not known: as many"
                " of those that are listed as not ours may be ours."
            )


def _rows_of(alias: str, listing: Listing) -> Rows:
    return [(number, one) for number, one in enumerate(listing.connections) if one.alias == alias]


def _numbers_of(alias: str, listing: Listing) -> list[int]:
    """The database's numbers of its open connections or, where none is open, of those that were closed last."""
    numbers = [one.backend for one in listing.connections if one.alias == alias]
    return numbers or [one.backend for one in listing.ended if one.alias == alias]


def _older_by(backend: Backend, one: OpenConnection, since_seconds: float) -> float:
    """By how many seconds the session is older than the connection; 0 where one of the two ages is not known."""
    if backend.seconds is None or one.opened_seconds is None:
        return 0.0
    return backend.seconds - one.opened_seconds - since_seconds

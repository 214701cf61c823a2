"""Open connections, one by one: whose each is, and what the database says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.holders import Holder

IDLE_IN_TRANSACTION: Final = "idle in transaction"  # or "idle in transaction (aborted)"
GONE: Final = "gone"  # the state of a session that the database does not have any more


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """What a unit of work is called: `kind` as in the metrics, and its route, task, consumer or command, if known."""

    kind: str
    name: str

    def __str__(self) -> str:
        return self.name or self.kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What the database says of a connection: its `state` and `wait` as pg_stat_activity has them.

    `state_seconds` is for how long it has been so, `transaction_seconds` the age of the open transaction, `client` the
    address that the session came from, `application` its name for itself. `state` is GONE of a session that the
    database has ended without the project noticing, and "" where the role that asks may not see it.
    """

    state: str
    state_seconds: float | None = None
    wait: str = ""
    transaction_seconds: float | None = None
    client: str = ""
    user: str = ""
    application: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenConnection:
    """One connection that is open now. Times are seconds before the reading; None where they are not known.

    `process` is the pid of its process, `thread` the kernel's number of the thread that opened it and `thread_name`
    its name, in which "*" stands for digits. `used_seconds`: since a unit of work began to use it or, outside of units,
    since the last query. `kept`: its thread has ended, and something in the process still refers to
    it. `apart`: it was made outside of Django's handler, by connection.copy() or a handler of the project's own, so
    Django closes it at the end of no request. `asgi`: it was opened for a request of Django's ASGI handler; `executor`:
    by a thread of a ThreadPoolExecutor. `answered`: the view of the request that uses it had returned before.
    `unended`: its thread took up a unit of work though Django was never told of the end of the one before. `lent`: a
    pool has lent it, and waits for it. `backend` is the database's number for it; 0 when the driver tells none.
    `shared_with` are processes that have used it after a fork. `host` tells machines apart in a listing of several.
    """

    alias: str
    holder: Holder
    process: int = 0
    thread: int = 0
    thread_name: str = ""
    opened_by: Unit | None = None
    used_by: Unit | None = None
    backend: int = 0
    opened_seconds: float | None = None
    used_seconds: float | None = None
    served: int = 0
    kept: bool = False
    asgi: bool = False
    executor: bool = False
    answered: bool = False
    unended: bool = False
    apart: bool = False
    lent: bool = False
    shared_with: tuple[int, ...] = ()
    host: str = ""
    session: Session | None = None

    @property
    def owner(self) -> tuple[str, int]:
        """Its process, told from those of other machines: in containers, many have the same numbers."""
        return self.host, self.process

    @property
    def idle_in_transaction(self) -> bool:
        """Whether it keeps a transaction open and does nothing in it; False where the database was not asked."""
        return self.session is not None and self.session.state.startswith(IDLE_IN_TRANSACTION)


Connections = tuple[OpenConnection, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedConnection:
    """What is left of a connection that has been closed: `backend` is the number that its driver was told for it."""

    alias: str
    backend: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasSettings:
    """What the project's settings say of one entry of DATABASES: `max_age` in seconds, None for unlimited."""

    vendor: str
    max_age: float | None
    pool: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """All open connections of a project at one instant, worst first.

    `at` is Unix time. `server` is how the project is served, as `instrumentation.serving` names it; "" when that is not
    known. `asked` says whether the database was asked: only then is there a `session`, or a connection that is not
    ours. `limit` is how many sessions the database accepts from programs like this one, in all; None when not known.
    `notes` are sentences on what could not be read or told. Listings of the same ledgers have the same `place`.
    `ended` is the last connection that each process has closed, for each alias: its number tells of a pooler.
    `silent` are the hosts that were asked for their listings, and gave none. `uncounted`: the project may have more
    processes, whose connections are not here.
    """

    at: float
    connections: tuple[OpenConnection, ...]
    aliases: Mapping[str, AliasSettings]
    server: str = ""
    asked: bool = False
    limit: int | None = None
    notes: tuple[str, ...] = ()
    place: str = ""
    ended: tuple[EndedConnection, ...] = ()
    silent: tuple[str, ...] = ()
    uncounted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedCause:
    """Why connections are open that should not be: `name` is a member of the family of causes.

    `openers` counts them by the unit of work that opened them, the most first.
    """

    name: str
    connections: Connections
    openers: tuple[tuple[str, int], ...]
    sentence: str
    fix: str

"""Counts of database connections: one value for what was counted, and the identities that have to hold between sides.

Counts come from three places: the cells of the ledgers (`instrumentation.counters.Totals.counts`), the text of a
project's /metrics (`loadlab.scrape`), or a record on disk (`model.samples`). All of them become `ConnectionCounts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from loadlab.model.holders import Holder

GAUGES: Final = ("open", "unsettled", "cut_off", "pool_size", "pool_available", "pool_waiting")
KEYED: Final = ("closed", "connect_errors", "units")
KEYED_GAUGES: Final = ("holders",)
COUNTERS: Final = (
    "opened",
    "reused",
    "connect_seconds_sum",
    "waits",
    "wait_seconds_sum",
    "first_uses",
    "connects",
    "ended",
    "ended_seconds_sum",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionCounts:
    """The connections of one or more database aliases, over all processes of a project, at one instant.

    `opened` = sum of `closed` + `open`, where counting began with no connection open. `closed` is by reason and
    `connect_errors` by kind; neither holds zeros. `unsettled` attempts to connect have neither succeeded nor failed:
    they are under way, or were when their process was killed. Those are `cut_off`: PostgreSQL may have a session for
    each or not. `connects` took `connect_seconds_sum` together.

    `holders` says by `model.holders.Holder` who holds the open ones, without zeros. Two counts are equal where
    only holders differ: at rest a thread may still end.

    `reused` counts requests that found their connection open, `first_uses` those that were the first of theirs. Both
    count tasks and other units of work too; `units` says how many of them are no requests, e.g. by "task_reused".
    `ended` connections were open for `ended_seconds_sum` together; one that ends with its process is not among them,
    because its age is not known.

    `pool_*` are of Django's own pools. `waits` counts how often a pool was asked for a connection and gave one, after
    `wait_seconds_sum` together.

    `now - earlier` is what was counted in between: counters subtract, and gauges (what is open, unsettled or in a pool)
    stay as they are now. `one + other` adds everything, for several hosts or aliases.
    """

    opened: int = 0
    reused: int = 0
    closed: dict[str, int] = field(default_factory=dict)
    open: int = 0
    holders: dict[str, int] = field(default_factory=dict, compare=False)
    connect_errors: dict[str, int] = field(default_factory=dict)
    unsettled: int = 0
    cut_off: int = 0
    connect_seconds_sum: float = 0.0
    waits: int = 0
    wait_seconds_sum: float = 0.0
    first_uses: int = 0
    units: dict[str, int] = field(default_factory=dict)
    connects: int = 0
    ended: int = 0
    ended_seconds_sum: float = 0.0
    pool_size: int = 0
    pool_available: int = 0
    pool_waiting: int = 0

    def __add__(self, other: ConnectionCounts) -> ConnectionCounts:
        return total((self, other))

    def __sub__(self, earlier: ConnectionCounts) -> ConnectionCounts:
        numbers: dict[str, Any] = {name: getattr(self, name) - getattr(earlier, name) for name in COUNTERS}
        numbers |= {name: _less(getattr(self, name), getattr(earlier, name)) for name in KEYED}
        return replace(self, **numbers)

    @property
    def gauges(self) -> dict[str, Any]:
        """What is now, as against what has happened so far."""
        return {name: getattr(self, name) for name in (*GAUGES, *KEYED_GAUGES)}

    @property
    def leaked(self) -> int:
        """Open connections whose thread or greenlet has ended; at least so many, where not all holders are known."""
        return self.holders.get(Holder.LEAKED.label, 0)

    @property
    def holders_known(self) -> bool:
        """Whether each open connection has a holder that is known."""
        unknown = self.holders.get(Holder.UNKNOWN.label, 0)
        return sum(self.holders.values()) - unknown == self.open

    @property
    def unused(self) -> int:
        """Open connections that no unit of work uses now and no pool may lend; only where all holders are known."""
        return self.open - sum(self.holders.get(holder.label, 0) for holder in (Holder.IN_USE, Holder.POOL))

    @property
    def requests(self) -> int:
        """Requests and other units of work that used the database."""
        return self.first_uses + self.reused

    @property
    def closed_in_all(self) -> int:
        return sum(self.closed.values())

    @property
    def pooled(self) -> bool:
        """Whether a pool holds any of the connections, or has ever lent one."""
        return bool(self.pool_size or self.pool_waiting or self.waits)


def total(counts: Iterable[ConnectionCounts]) -> ConnectionCounts:
    """All of them added up: of several hosts, aliases or trials."""
    every = list(counts)
    sums: dict[str, Any] = {name: sum(getattr(one, name) for one in every) for name in (*COUNTERS, *GAUGES)}
    sums |= {name: added(getattr(one, name) for one in every) for name in (*KEYED, *KEYED_GAUGES)}
    return ConnectionCounts(**sums)


def added(keyed: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counts by reason or kind, added up; zeros are left out."""
    counts: dict[str, int] = {}
    for one in keyed:
        for key, count in one.items():
            counts[key] = counts.get(key, 0) + count
    return {key: count for key, count in counts.items() if count}


def _less(ours: Mapping[str, int], theirs: Mapping[str, int]) -> dict[str, int]:
    counts = {key: ours.get(key, 0) - theirs.get(key, 0) for key in {**ours, **theirs}}
    return {key: count for key, count in counts.items() if count}


@dataclass(frozen=True, kw_only=True, slots=True)
class SideCounts:
    """How many connections one side of them counts: opened in all, and open now; None for what it was not asked.

    Of those that were `cut_off` in the middle, this side does not know whether they were opened.
    """

    opened: int | None = None
    open: int | None = None
    cut_off: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolerCounts:
    """What a pooler between target and PostgreSQL says of both its sides, since it started.

    `clients_*` are the target's connections to it, `servers_*` its own to PostgreSQL. `waited_seconds` is how long
    clients have waited for a server connection, all together; `refused` how many were turned away. When a process of it
    was ended, `clients_cut_off` were about to be let in, and `servers_cut_off` to become sessions: of each, only the
    other end knows whether it was. So it is when PostgreSQL drops a connection that may be in the middle of its login.
    """

    clients_opened: int
    clients_open: int
    servers_opened: int
    servers_open: int
    waited_seconds: float
    refused: int
    clients_cut_off: int = 0
    servers_cut_off: int = 0

    @property
    def clients(self) -> SideCounts:
        return SideCounts(opened=self.clients_opened, open=self.clients_open, cut_off=self.clients_cut_off)

    @property
    def servers(self) -> SideCounts:
        return SideCounts(opened=self.servers_opened, open=self.servers_open, cut_off=self.servers_cut_off)


class Identity(StrEnum):
    """What has to be equal: two sides' counts of the same connections, or one side's own counts of them."""

    SESSIONS = "sessions"
    BACKENDS = "backends"
    POOLER_CLIENTS_OPENED = "pooler_clients_opened"
    POOLER_CLIENTS_OPEN = "pooler_clients_open"
    POOLER_SESSIONS = "pooler_sessions"
    POOLER_BACKENDS = "pooler_backends"
    BALANCE_SINCE = "balance_since"
    BALANCE_AT_REST = "balance_at_rest"
    BALANCE_AFTER_STOP = "balance_after_stop"
    NONE_AFTER_STOP = "none_after_stop"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mismatch:
    """An identity that does not hold, and what each side of it counts."""

    kind: Identity
    ours: int
    theirs: int


def unequal(
    kind: Identity, ours: int | None, theirs: int | None, *, more: int = 0, fewer: int = 0
) -> tuple[Mismatch, ...]:
    """The mismatch of two counts; nothing where they are equal, or one of them is not known.

    They may count so many `more` than we, or so many `fewer`.
    """
    if ours is None or theirs is None or ours - fewer <= theirs <= ours + more:
        return ()
    return (Mismatch(kind=kind, ours=ours, theirs=theirs),)


def reconcile(ours: SideCounts, postgresql: SideCounts, pooler: PoolerCounts | None = None) -> tuple[Mismatch, ...]:
    """Each count that a judge does not confirm; what a side was not asked is not compared.

    PostgreSQL judges the target's count. With a `pooler` in between there are two counts and two judges: the pooler
    judges the target's, and PostgreSQL judges the pooler's.
    """
    if pooler is None:
        return (
            *unequal(Identity.SESSIONS, ours.opened, postgresql.opened, more=ours.cut_off),
            *unequal(Identity.BACKENDS, ours.open, postgresql.open),
        )
    return (
        *unequal(
            Identity.POOLER_CLIENTS_OPENED,
            ours.opened,
            pooler.clients.opened,
            more=ours.cut_off + pooler.clients.cut_off,
            fewer=pooler.clients.cut_off,
        ),
        *unequal(Identity.POOLER_CLIENTS_OPEN, ours.open, pooler.clients.open),
        *unequal(Identity.POOLER_SESSIONS, pooler.servers.opened, postgresql.opened, fewer=pooler.servers.cut_off),
        *unequal(Identity.POOLER_BACKENDS, pooler.servers.open, postgresql.open),
    )

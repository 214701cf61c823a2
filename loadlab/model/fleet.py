"""The shapes of the fleet model: what is asked, what is known of the application, and what a simulation gives.

All times are in seconds since the start of the simulated time, all rates are requests per second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Final, Literal

import numpy as np

from loadlab.model.bounds import STRICT, Bounds
from loadlab.model.pooling import ProcessPool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadlab.model.config import Config

    Numbers = NDArray[np.float64]
    Counts = NDArray[np.int64]

NEVER: Final = 10**9  # requests: the garbage collector leaves a connection until its process ends
Keeper = Literal["thread", "request", "pool"]
Balance = Literal["random", "round_robin"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """The traffic of a whole fleet: `per_second` requests that use the database, from each of `edges` to the next.

    `edges` has one number more than `per_second`; the first is 0 and the last is the end. Within a step, requests
    arrive at random (a Poisson process). `remarks` are sentences on where they come from: lines of a log that were left
    out, a log that was repeated.
    """

    edges: Numbers
    per_second: Numbers
    remarks: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return float(self.edges[-1])

    @property
    def expected(self) -> Numbers:
        """How many requests are expected until each edge; the first is 0."""
        return np.concatenate(([0.0], np.cumsum(self.per_second * np.diff(self.edges))))


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """How large a simulation is: so many hosts, for so many seconds."""

    hosts: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessesEnd:
    """All processes of the hosts from `first` to before `last` end at `at`, and others serve from `serving_again` on.

    In between, these hosts get no requests, and the others share theirs. The connections of the old processes are
    open until `gone`: at `at` after an orderly end, later where old and new overlap (blue/green), or where PostgreSQL
    does not learn that a host is lost. They serve no request meanwhile.
    """

    at: float
    first: int
    last: int
    serving_again: float
    gone: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """All connections of the hosts from `first` to before `last` are lost at `start`, and none opens before `end`.

    Of each lost connection, the next request that uses it fails, unless health checks are on; the connection is closed
    then. Attempts to connect before `end` fail, and their requests with them. Where PostgreSQL does not notice at once,
    it counts the lost connections until `gone`.
    """

    start: float
    end: float
    first: int
    last: int
    gone: float | None = None

    @property
    def gone_at(self) -> float:
        """When PostgreSQL notices."""
        return self.start if self.gone is None else self.gone


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """What holds all the time.

    `idle_seconds`: the database or a load balancer ends a connection that was idle for so long. The next request that
    uses it fails, unless health checks are on. `max_requests`: a process ends after so many requests, plus up to
    `max_requests_jitter` more, drawn for each; another takes its place.
    """

    idle_seconds: float | None = None
    max_requests: int | None = None
    max_requests_jitter: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """Measured times as equally likely values in seconds, sorted; at least one."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.values, share))

    def draw(self, random: np.random.Generator, count: int) -> Numbers:
        """`count` of them at random, interpolated between the values that were measured."""
        values = np.asarray(self.values)
        if len(values) == 1:
            return np.full(count, values[0])
        places = random.random(count) * (len(values) - 1)
        below = places.astype(np.int64)
        drawn: Numbers = values[below] + (places - below) * np.diff(values)[below]
        return drawn


@dataclass(frozen=True, kw_only=True, slots=True)
class Dispatch:
    """Which of several idle processes or threads gets the next request: how often each of four rules decides.

    `fixed`: the first in an order that never changes; `recent`: the one that was last busy; `longest_idle`: the one
    that has waited longest; `random`: any. They add up to 1.
    """

    fixed: float = 0.0
    recent: float = 0.0
    longest_idle: float = 0.0
    random: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Collector:
    """What Python's garbage collector counts in a process, in shares of what it waits for until it searches.

    A request adds `busy` while it is under way, and `left` is what stays of that when it has ended. Of the requests
    that bring a search about, the share `early` has no connection yet that the search could find in use. A new process
    has counted `first` before its first request, after `searches` of the youngest generation since the last of the
    second.
    """

    busy: float
    left: float
    early: float = 0.0
    first: float = 0.0
    searches: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How requests spread in one server mode, measured.

    `processes` says which of the host's processes takes a request, `threads` which of its idle threads serves it.
    With `lazy_threads`, a thread starts when a request finds no idle one. `collected_after` says of the connection of a
    thread that ended with its request: how many requests of its process later Python's garbage collector closes it
    (equally likely counts, sorted; 0 is at once, and NEVER at the end of the process); empty where threads serve again.
    `collector` is what brings the collector's searches about, None where that was not measured. `cold_seconds` is how
    much longer the first request of a process takes than others: it imports what no request has imported before, and
    others of its process wait for that. `ahead_seconds` is how long a thread is busy with a request before it uses its
    connection, or connects. `requests` is how many were observed, and `by_process` and `by_thread` what
    share each of them had, the largest first.
    """

    processes: Dispatch = field(default_factory=Dispatch)
    threads: Dispatch = field(default_factory=Dispatch)
    lazy_threads: bool = False
    collected_after: tuple[int, ...] = ()
    collector: Collector | None = None
    cold_seconds: float = 0.0
    ahead_seconds: float = 0.0
    requests: int = 0
    by_process: tuple[float, ...] = ()
    by_thread: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Application:
    """What the model has to know of a project, measured by a run or a watch.

    `connect_seconds` is one opening. `hold_seconds` is how long a request holds its connection: from its first query
    until its end, without the time to connect. CPU times are in seconds, of the application and of PostgreSQL;
    `idle_backend_bytes` is the memory of an idle backend (its proportional share), and `client_bytes` what its client
    holds for it. None is what was not measured.
    `spreads` are by server mode. `restart_seconds` is how long PostgreSQL refused connections when it restarted, and
    `boot_seconds` how long a server took until it was ready, and `stop_seconds` how long an idle one took to end when
    it was asked to, by server mode. `source` says where it comes from, and `closed_loop` that it was measured under
    users who wait for their answers.
    """

    connect_seconds: Distribution
    hold_seconds: Distribution
    spreads: Mapping[str, Spread]
    app_cpu_per_connect: float | None = None
    database_cpu_per_connect: float | None = None
    app_cpu_per_request: float | None = None
    idle_backend_bytes: float | None = None
    client_bytes: float | None = None
    restart_seconds: float | None = None
    boot_seconds: Mapping[str, float] = field(default_factory=dict)
    stop_seconds: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    closed_loop: bool = False

    @property
    def connection_bytes(self) -> float | None:
        """What a kept connection holds at both ends, as far as it was measured; None without PostgreSQL's."""
        return None if self.idle_backend_bytes is None else self.idle_backend_bytes + (self.client_bytes or 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pooler:
    """PgBouncer between a host (or, if `shared`, the whole fleet) and PostgreSQL.

    In transaction mode a server connection is held for a request's transactions, in session mode for as long as the
    client connection lasts. The server connection that was last used is taken next. It closes after `idle` unused or
    after `lifetime` in all.
    """

    pool_mode: Literal["session", "transaction"]
    size: int
    most_clients: int
    wait: float
    shared: bool = False
    idle: float = 600.0
    lifetime: float = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeping:
    """How connections live on one host, in one server mode under one strategy.

    `keeper` says what a connection belongs to: a `thread` that serves again, a `request` (its thread ends with it, and
    its connection is found by no other), or a process's `pool`. `threads` is how many requests a process serves at
    once; None where nothing bounds them. `max_age` is CONN_MAX_AGE, None for unlimited. `idle_thread_seconds` is how
    long all but one thread of a process may be idle until they end; the garbage collector then has their connection.

    Without `checks_at_end`, Django never hears that a request has ended: a connection that is too old, also one of age
    0, stays open until the next request of its thread. With `connects_at_boot`, a host that starts opens a connection
    and closes it, before it serves. `spread` is how requests spread where the strategy decides it:
    it leases threads, or closes what the garbage collector would close later; else it is as measured in the mode.
    `max_requests` is after how many requests a process is replaced by the strategy or by a parameter of the server;
    None leaves that to the conditions of the scene.
    """

    server: Config
    strategy: Config
    keeper: Keeper
    processes: int
    threads: int | None
    max_age: float | None = 0.0
    health_checks: bool = False
    idle_thread_seconds: float | None = None
    pool: ProcessPool | None = None
    pooler: Pooler | None = None
    checks_at_end: bool = True
    connects_at_boot: bool = False
    spread: Spread | None = None
    max_requests: int | None = None

    def spread_of(self, application: Application) -> Spread | None:
        """How requests spread: as the strategy decides, or as measured in this server mode; None where it was not."""
        return self.spread or application.spreads.get(self.server.name)

    def conditions_in(self, scene: Scene) -> Conditions:
        """What holds all the time, with what this keeping itself says of it."""
        if self.max_requests is None:
            return scene.conditions
        return replace(scene.conditions, max_requests=self.max_requests, max_requests_jitter=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseLimits:
    """What PostgreSQL allows: `reserved` of `max_connections` are for superusers and others than this fleet."""

    __pydantic_config__ = STRICT

    max_connections: Annotated[int, Bounds(ge=1, le=1_000_000)] = 100
    reserved: Annotated[int, Bounds(ge=0, le=1_000_000)] = 3

    @property
    def free(self) -> int:
        return self.max_connections - self.reserved


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """All that one simulation needs beside the keeping and the application: who asks, how often, and what happens.

    Where `arrivals` are given, requests arrive at exactly these instants, sorted, instead of at random with `rates`.
    """

    hosts: int
    rates: Rates
    database: DatabaseLimits
    balance: Balance = "random"
    ends: tuple[ProcessesEnd, ...] = ()
    outages: tuple[Outage, ...] = ()
    conditions: Conditions = field(default_factory=Conditions)
    arrivals: Numbers | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulated:
    """One simulation of one strategy, as PostgreSQL sees it.

    `at` are instants, `open` the connections open at each, and `opened` and `closed` how many opened and closed until
    each, so opened = closed + open at every instant. `requests` use the database; `reused` found their connection
    open. `refused` found no free connection of PostgreSQL (or were refused by the pooler), `failed` met a lost
    connection, an outage or a timeout of a pool, and `waited` had to wait for a thread or for a connection,
    `waiting_seconds` together. `ages` are those of a sample of the connections that closed, and `closed_by` counts
    them by cause: "request_end", "expired", "garbage_collected", "process_end", "lost", "pool" and "pooler".

    With a pooler, `client_opened` is how many connections the application opened to it; else it is `opened` at the end.
    """

    at: Numbers
    open: Counts
    opened: Counts
    closed: Counts
    requests: int
    reused: int
    refused: int
    failed: int
    waited: int
    waiting_seconds: float
    client_opened: int
    ages: Numbers
    closed_by: Mapping[str, int] = field(default_factory=dict)

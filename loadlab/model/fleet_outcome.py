"""The shapes of the fleet model's answers: what one strategy does over the simulated time, and what follows from it.

All times are in seconds since the start of the simulated time. Nothing here needs numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from loadlab.model.case import Case

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.config import Config
    from loadlab.model.findings import OverTime, Recommendation
    from loadlab.model.fleet import Balance, DatabaseLimits, Keeping

EngineName = Literal["by_opening", "by_request"]
# How a number of hosts was found: by all that their threads or pools can hold, by simulations of other numbers of
# hosts, or from the mean and the spread of this fleet.
Way = Literal["bound", "simulation", "scaled"]
FleetCaveatKind = Literal[
    "queues",  # `busy` of the threads' time at the busiest step
    "failing",  # a `share` of the requests fails
    "busy_processes",  # `busy` of a core for each process at the busiest step
    "no_spread",  # how requests spread over processes and threads of this `server` was not measured
    "closed_loop",  # the application was measured under a closed loop
    "few_repeats",  # `repeats`
    "cpu_not_measured",  # what a connect costs
    "memory_not_measured",  # what an idle backend takes
    "unbounded",  # nothing bounds the connections of this strategy but the requests under way
    "never_found",  # a kept connection is found by no request, and waits for the garbage collector
]
VerdictKind = Literal["best", "no_difference", "only_one_fits", "only_one", "none_fits"]
RemedyKind = Literal["pooler", "max_client_conn", "fewer_threads", "max_connections", "fewer_hosts"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """The median of a figure over repeated simulations, and the lowest and highest of them.

    Another simulation falls between `low` and `high` with probability (n - 1) / (n + 1) after n repeats, for every
    distribution.
    """

    middle: float
    low: float
    high: float

    def overlaps(self, other: Band) -> bool:
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """An event of the simulated time, `name` as its member is called; it ends when its last host serves again.

    "start" is the first: a fleet starts without a connection, as if all its hosts had been deployed at once.
    """

    name: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True, slots=True)
class AfterMoment:
    """From the start of an event until a minute after its end: the second with most opens, and the most open."""

    moment: Moment
    opens_per_second: Band
    open: Band


@dataclass(frozen=True, kw_only=True, slots=True)
class LargestFleet:
    """How many hosts fit, each with its share of the same traffic and events.

    `bound` is by what threads, pools and pooler can hold at most, at any load; None where nothing bounds them.
    `hosts` fit under this traffic; the same number where the bound is reached. None: any number of hosts fits.
    """

    hosts: int | None
    way: Way
    bound: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetCaveat:
    """Where the model does not hold, or knows too little; `figures` are what its sentence names."""

    kind: FleetCaveatKind
    figures: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetOutcome:
    """What one strategy does on the whole fleet over so many simulated `seconds`.

    `engine` is the one that simulated it, because of `engine_because`; `sampled_hosts` then stand for all, if not None.

    Open connections were sampled every `sample_seconds`; median, p99 and maximum are over these samples.
    `opens_per_second` is the mean over the time, `opens_peak` the busiest second without the start, which is the first
    of the moments in `after`. `opens_per_request` and `reuse` are
    shares of the requests that use the database. `refused`, `failed` and `waited` are requests, and `waiting_seconds`
    the mean wait of those that waited. `ages_at_close` are quantiles over all repeats: 10 %, 50 % and 90 %; None where
    none closed. `closed_by` is the mean over the repeats.

    The cores are spent on connecting: opens per second × CPU per connect, in the mean and in the busiest second.
    `idle_bytes` is the memory of the most connections that were open. None is what the run did not measure.

    `free` connections are for the fleet. `needed` are the most that were open in any repeat; where some were refused,
    how many would have been enough. The fleet `fits` if none was refused in any repeat. Of the series,
    `opens_over_time` has the mean of each span of time, and the least and the most opens of any second in it.
    """

    keeping: Keeping
    engine: EngineName
    engine_because: str
    sampled_hosts: int | None
    repeats: int
    seconds: float
    sample_seconds: float
    open_median: Band
    open_p99: Band
    open_most: Band
    opens_per_second: Band
    opens_peak: Band
    after: tuple[AfterMoment, ...]
    requests: Band
    reuse: Band
    opens_per_request: Band
    refused: Band
    failed: Band
    waited: Band
    waiting_seconds: Band | None
    ages_at_close: tuple[float, float, float] | None
    closed_by: Mapping[str, float]
    database_cores: Band | None
    database_cores_peak: Band | None
    app_cores: Band | None
    idle_bytes: Band | None
    free: int
    needed: int
    fits: bool
    open_over_time: OverTime
    opens_over_time: OverTime
    busy_threads: float | None = None
    largest: LargestFleet | None = None
    caveats: tuple[FleetCaveat, ...] = ()

    @property
    def case(self) -> Case:
        """Server mode and strategy, for all that depends on nothing but these two."""
        return Case(
            server=self.keeping.server,
            strategy=self.keeping.strategy,
            scenario="",
            users=1,
            keep_alive=False,
            usable_connections=None,
        )

    @property
    def refused_by_pooler(self) -> bool:
        """Whether PgBouncer refused requests, and not PostgreSQL."""
        return not self.fits and self.keeping.pooler is not None and self.needed <= self.free

    @property
    def spare(self) -> int:
        """How many connections are left at the worst moment; negative where they do not suffice."""
        return self.free - self.needed

    @property
    def coverage(self) -> float:
        """The probability that another simulation falls within a band."""
        return (self.repeats - 1) / (self.repeats + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class SmallestAge:
    """The smallest CONN_MAX_AGE in seconds with which reuse reaches `share` of that of unlimited, same traffic.

    `seconds` is None where no age gives any reuse: no request finds a kept connection. `reuse` is what it gives, and
    `unlimited` what unlimited gives.
    """

    seconds: float | None
    share: float
    reuse: float
    unlimited: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakEven:
    """The rate of requests per thread from which an age saves more than it costs.

    It saves CPU: rate × reuse × `cpu_per_connect` at both ends, in cores. It costs memory: `idle_bytes` at both ends
    for a connection that stays open, at `bytes_per_core`. `by_age` are requests per second and thread by CONN_MAX_AGE.
    """

    cpu_per_connect: float
    idle_bytes: float
    bytes_per_core: float
    by_age: tuple[tuple[float | None, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Remedy:
    """What would make the fleet fit: so many connections of a pooler, clients of it, threads per process, and so on."""

    kind: RemedyKind
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetVerdict:
    """Which strategy to take: `chosen` and the one it was `rival` to are places in the outcomes.

    Of those that fit the limits at all times, it opens least; of the `alike`, which open as rarely within the margin,
    it is the simplest. `remedies` are for where none fits; `chosen` needs least then, and is not recommended.
    """

    kind: VerdictKind
    chosen: int
    rival: int | None = None
    alike: tuple[int, ...] = ()
    recommend: Recommendation | None = None
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetAnswer:
    """All that `loadlab fleet` found for one server mode: the question in figures, outcomes, and the verdict.

    `source` says where the application was measured. `rate` and `peak_rate` are requests per second of the fleet.
    `remarks` are sentences about the traffic.
    """

    title: str
    source: str
    server: Config
    hosts: int
    seconds: float
    rate: float
    peak_rate: float
    balance: Balance
    database: DatabaseLimits
    seed: int
    moments: tuple[Moment, ...]
    outcomes: tuple[FleetOutcome, ...]
    verdict: FleetVerdict
    smallest_age: SmallestAge | None = None
    break_even: BreakEven | None = None
    caveats: tuple[FleetCaveat, ...] = ()
    remarks: tuple[str, ...] = ()

"""Simulates a fleet with the engine that fits: exactly where that is soon done, else with an event per opening."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from loadlab.fleet.engine import by_opening, by_request, by_sample, by_stream
from loadlab.model.fleet import DatabaseLimits
from loadlab.stats.erlang import probability_of_waiting

if TYPE_CHECKING:
    import numpy as np

    from loadlab.fleet.engine.by_sample import Engine
    from loadlab.model.fleet import Application, Keeping, Numbers, Scene, Simulated, Spread
    from loadlab.model.fleet_outcome import EngineName

FEW_REQUESTS: Final = 200_000  # the exact engine has done these within a second
SAMPLED_REQUESTS: Final = 400_000  # of a sample of hosts
SAMPLED_WHEN_FULL: Final = 1_500_000  # the same where PostgreSQL is full
FEWEST_HOSTS: Final = 4  # of a sample
FEWEST_CONNECTIONS: Final = 40  # of a sample where PostgreSQL is full
SELDOM: Final = 1e-3  # a share of requests that is small enough to leave out that they wait
# On an idle core, for estimates only.
REQUESTS_PER_SECOND: Final = 250_000
DEALT_PER_SECOND: Final = 1_500_000
OPENINGS_PER_SECOND: Final = 6_000_000
OVERLOADED: Final = 0.9  # of threads that are busy, from which on a queue may be longer than an overlap of lanes
NO_LIMIT: Final = 1_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineChoice:
    """Which engine simulates something, and why in a clause that follows "because".

    `hosts` are simulated, where they are a sample that stands for all; else None. `seconds` is about what it takes on
    an idle core.
    """

    name: EngineName
    because: str
    hosts: int | None = None
    seconds: float
    engine: Engine = field(repr=False, compare=False)

    @property
    def exact(self) -> bool:
        return self.name == "by_request" and self.hosts is None


def simulate(
    keeping: Keeping, application: Application, scene: Scene, at: Numbers, random: np.random.Generator
) -> Simulated:
    """One simulation of one strategy on a fleet, with what is open at each of the sorted instants `at`.

    Raises:
        UsageError: it is not known how the server mode spreads requests.
    """
    choice = engine_for(keeping, application, scene)
    if choice.exact:
        return by_request.simulate(keeping, application, scene, at, random)
    limits = choice.engine is by_opening.simulate  # age 0 follows Erlang's formula
    unlimited = scene if limits else replace(scene, database=DatabaseLimits(max_connections=NO_LIMIT))
    engine = choice.engine if choice.hosts is None else by_sample.of_hosts(choice.hosts, choice.engine)
    found = engine(keeping, application, unlimited, at, random)
    if found.open.max() <= scene.database.free:
        return found
    engine = by_sample.of_hosts(_hosts_when_full(scene), by_request.simulate)
    return engine(keeping, application, scene, at, random)


def engine_for(keeping: Keeping, application: Application, scene: Scene) -> EngineChoice:
    """The rule: exactly if it is small; by openings where each thread has its own connection; else a sample exactly.

    Where threads are not independent of each other, openings are those of a sample of hosts. Where PostgreSQL turns out
    to be full, a sample of hosts is simulated exactly, with its share of the connections.
    """
    if scene.arrivals is not None:
        return _exactly(scene, "the instants of the requests are given")
    if scene.rates.expected[-1] <= FEW_REQUESTS:
        return _exactly(scene, f"it has at most {FEW_REQUESTS:,} requests")
    shared = _what_is_shared(keeping, application) or _queue(keeping, application, scene)
    if shared is not None:
        return _exactly(scene, shared, _sampled_hosts(scene))
    dependent = _dependence(keeping, application, scene)
    if dependent is not None:
        hosts = _sampled_hosts(scene)
        return EngineChoice(
            name="by_opening",
            because=dependent,
            hosts=hosts,
            seconds=_requests(scene, hosts) / DEALT_PER_SECOND + _seconds_when_full(keeping, scene),
            engine=by_stream.simulate,
        )
    return EngineChoice(
        name="by_opening",
        because="threads are independent of each other",
        seconds=_openings(keeping, scene) / OPENINGS_PER_SECOND + _seconds_when_full(keeping, scene),
        engine=by_opening.simulate,
    )


def _exactly(scene: Scene, because: str, hosts: int | None = None) -> EngineChoice:
    return EngineChoice(
        name="by_request",
        because=because,
        hosts=hosts,
        seconds=_requests(scene, hosts) / REQUESTS_PER_SECOND,
        engine=by_request.simulate,
    )


def _requests(scene: Scene, hosts: int | None) -> float:
    """That are simulated one by one."""
    return float(scene.rates.expected[-1]) * (1.0 if hosts is None else hosts / scene.hosts)


def _openings(keeping: Keeping, scene: Scene) -> float:
    """That are simulated one by one: none at age 0."""
    if keeping.max_age == 0:
        return 0.0
    threads = scene.hosts * keeping.processes * (keeping.threads or 1)
    if keeping.max_age is None:
        return float(threads)
    between = keeping.max_age + threads * scene.rates.seconds / float(scene.rates.expected[-1])
    return threads * (scene.rates.seconds / between + 1)


def _sampled_hosts(scene: Scene) -> int | None:
    """None where these are all."""
    of_a_host = float(scene.rates.expected[-1]) / scene.hosts
    hosts = max(FEWEST_HOSTS, int(SAMPLED_REQUESTS / of_a_host))
    return hosts if hosts < scene.hosts else None


def _what_is_shared(keeping: Keeping, application: Application) -> str | None:
    """Why a connection does not belong to one thread or request, if not."""
    if keeping.spread_of(application) is None:
        return "it is not known how requests spread"
    if keeping.pool is not None or keeping.pooler is not None:
        return "requests share the connections of a pool"
    closes = keeping.max_age == 0 and keeping.checks_at_end
    if keeping.idle_thread_seconds is not None and keeping.keeper == "thread" and not closes:
        return "idle threads end"
    if keeping.keeper == "request" and not closes and _counted(keeping.spread_of(application)):
        return "the garbage collector counts what is under way"
    return None


def _counted(spread: Spread | None) -> bool:
    return spread is not None and spread.collector is not None


def _dependence(keeping: Keeping, application: Application, scene: Scene) -> str | None:
    """Why threads do not get requests independently of each other."""
    waiting = _waiting(keeping, application, scene)
    if waiting is not None or (keeping.max_age == 0 and keeping.checks_at_end):
        return waiting
    spread, conditions = keeping.spread_of(application), keeping.conditions_in(scene)
    reasons = {
        "connections wait for the garbage collector": keeping.keeper == "request",
        "requests prefer some threads": spread is not None and not _any_thread(spread),
        "connections are lost while idle": conditions.idle_seconds is not None,
        "processes end after a number of requests": conditions.max_requests is not None,
        "the server does not let Django know that a request has ended": not keeping.checks_at_end,
    }
    return next((because for because, holds in reasons.items() if holds), None)


def _any_thread(spread: Spread) -> bool:
    return min(spread.processes.random, spread.threads.random) == 1 and not spread.lazy_threads


def _waiting(keeping: Keeping, application: Application, scene: Scene) -> str | None:
    if keeping.threads is None:
        return None
    if probability_of_waiting(keeping.processes * keeping.threads, _under_way(application, scene)) > SELDOM:
        return "requests wait for a thread"
    return None


def _queue(keeping: Keeping, application: Application, scene: Scene) -> str | None:
    if keeping.threads is None:
        return None
    if _under_way(application, scene) > OVERLOADED * keeping.processes * keeping.threads:
        return "many requests wait for a thread at once"
    return None


def _under_way(application: Application, scene: Scene) -> float:
    """Requests of a host, at most."""
    busy_seconds = application.hold_seconds.mean + application.connect_seconds.mean
    return float(scene.rates.per_second.max()) / scene.hosts * busy_seconds


def _hosts_when_full(scene: Scene) -> int:
    """Enough for some connections among them, if that does not take too long, with nearly a whole number of them."""
    free = max(1, scene.database.free)
    enough = -(-scene.hosts * FEWEST_CONNECTIONS // free)
    most = int(scene.hosts * SAMPLED_WHEN_FULL / float(scene.rates.expected[-1]))
    fewest = max(1, min(max(FEWEST_HOSTS, enough), most))
    few = range(fewest, 2 * fewest + 1)
    return min(scene.hosts, min(few, key=lambda hosts: free * hosts % scene.hosts / (free * hosts)))


def _seconds_when_full(keeping: Keeping, scene: Scene) -> float:
    """What it takes to simulate a sample exactly, if all threads together can hold more than PostgreSQL allows."""
    threads = scene.hosts * keeping.processes * (keeping.threads or 1)
    if keeping.max_age == 0 or threads <= scene.database.free:
        return 0.0
    return _requests(scene, _hosts_when_full(scene)) / REQUESTS_PER_SECOND

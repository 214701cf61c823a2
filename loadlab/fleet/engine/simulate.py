"""Simulates a fleet with the engine that fits: exactly where that is soon done, else with an event per opening."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from loadlab.fleet.engine import by_opening, by_request, by_sample
from loadlab.model.fleet import Database
from loadlab.stats.erlang import probability_of_waiting

if TYPE_CHECKING:
    import numpy as np

    from loadlab.model.fleet import Application, Keeping, Numbers, Scene, Simulated, Spread
    from loadlab.model.fleet_outcome import EngineName

FEW_REQUESTS: Final = 200_000  # the exact engine has done these within a second
SAMPLED_REQUESTS: Final = 400_000  # of a sample of hosts
SAMPLED_WHEN_FULL: Final = 1_500_000  # the same where PostgreSQL is full
FEWEST_HOSTS: Final = 4  # of a sample
FEWEST_CONNECTIONS: Final = 40  # of a sample where PostgreSQL is full
NO_LIMIT: Final = 1_000_000_000
SELDOM: Final = 1e-3  # a share of requests that is small enough to leave out that they wait


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineChoice:
    """Which engine simulates something, and why in a clause that follows "because".

    `hosts` are simulated request by request, where they are a sample that stands for all; else None.
    """

    name: EngineName
    because: str
    hosts: int | None = None


def simulate(
    keeping: Keeping, application: Application, scene: Scene, at: Numbers, random: np.random.Generator
) -> Simulated:
    """One simulation of one strategy on a fleet, with what is open at each of the sorted instants `at`.

    Raises:
        UsageError: it is not known how the server mode spreads requests.
    """
    choice = engine_for(keeping, application, scene)
    if choice.name == "by_request" and choice.hosts is None:
        return by_request.simulate(keeping, application, scene, at, random)
    if choice.name == "by_opening":
        found = by_opening.simulate(keeping, application, scene, at, random)
    else:
        unlimited = replace(scene, database=Database(max_connections=NO_LIMIT))
        found = by_sample.simulate(keeping, application, unlimited, at, random, choice.hosts or scene.hosts)
    if found.open.max() <= scene.database.free:
        return found
    return by_sample.simulate(keeping, application, scene, at, random, _hosts_when_full(scene))


def engine_for(keeping: Keeping, application: Application, scene: Scene) -> EngineChoice:
    """The rule: exactly if it is small, by openings where threads are independent, else a sample of hosts exactly.

    Where PostgreSQL then turns out to be full, a sample of hosts is simulated with its share of the connections.
    """
    if scene.arrivals is not None:
        return EngineChoice(name="by_request", because="the instants of the requests are given")
    requests = float(scene.rates.expected[-1])
    if requests <= FEW_REQUESTS:
        return EngineChoice(name="by_request", because=f"it has at most {FEW_REQUESTS:,} requests")
    why_not = _why_not_by_opening(keeping, application, scene)
    if why_not is None:
        return EngineChoice(name="by_opening", because="threads are independent of each other")
    hosts = max(FEWEST_HOSTS, int(scene.hosts * SAMPLED_REQUESTS / requests))
    return EngineChoice(name="by_request", because=why_not, hosts=hosts if hosts < scene.hosts else None)


def _hosts_when_full(scene: Scene) -> int:
    """Enough for some connections among them, if that does not take too long, with nearly a whole number of them."""
    free = max(1, scene.database.free)
    enough = -(-scene.hosts * FEWEST_CONNECTIONS // free)
    most = int(scene.hosts * SAMPLED_WHEN_FULL / float(scene.rates.expected[-1]))
    fewest = max(FEWEST_HOSTS, min(enough, most))
    few = range(fewest, fewest + FEWEST_CONNECTIONS // 2)
    return min(scene.hosts, min(few, key=lambda hosts: free * hosts % scene.hosts / (free * hosts)))


def _why_not_by_opening(keeping: Keeping, application: Application, scene: Scene) -> str | None:
    """Why the threads are not independent of each other, if they are not."""
    spread = keeping.spread_of(application)
    conditions = keeping.conditions_in(scene)
    if spread is None:
        return "it is not known how requests spread"
    if keeping.pool is not None or keeping.pooler is not None:
        return "requests share the connections of a pool"
    if not keeping.checks_at_end:
        return "the server does not let Django know that a request has ended"
    reasons = {
        "connections wait for the garbage collector": keeping.keeper == "request",
        "requests prefer some threads": not _any_thread(spread),
        "connections are lost while idle": conditions.idle_seconds is not None,
        "processes end after a number of requests": conditions.max_requests is not None,
        "idle threads end": keeping.idle_thread_seconds is not None,
    }
    apply = [because for because, holds in reasons.items() if holds and keeping.max_age != 0]
    return apply[0] if apply else _waiting(keeping, application, scene)


def _any_thread(spread: Spread) -> bool:
    return min(spread.processes.random, spread.threads.random) == 1 and not spread.lazy_threads


def _waiting(keeping: Keeping, application: Application, scene: Scene) -> str | None:
    if keeping.threads is None:
        return None
    busy_seconds = application.hold_seconds.mean + application.connect_seconds.mean
    under_way = float(scene.rates.per_second.max()) / scene.hosts * busy_seconds
    if probability_of_waiting(keeping.processes * keeping.threads, under_way) > SELDOM:
        return "requests wait for a thread"
    return None

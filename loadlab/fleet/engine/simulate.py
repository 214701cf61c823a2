"""Simulates a fleet with the engine that fits: exactly where that is soon done, else with an event per opening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.fleet.engine import by_opening, by_request
from loadlab.stats.erlang import probability_of_waiting

if TYPE_CHECKING:
    import numpy as np

    from loadlab.model.fleet import Application, Keeping, Numbers, Scene, Simulated, Spread
    from loadlab.model.fleet_outcome import EngineName

FEW_REQUESTS: Final = 200_000  # the exact engine has done these within seconds
SELDOM: Final = 1e-3  # a share of requests that is small enough to leave out that they wait


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineChoice:
    """Which engine simulates something, and why in a clause that follows "because"."""

    name: EngineName
    because: str


def simulate(
    keeping: Keeping, application: Application, scene: Scene, at: Numbers, random: np.random.Generator
) -> Simulated:
    """One simulation of one strategy on a fleet, with what is open at each of the sorted instants `at`.

    Raises:
        UsageError: it is not known how the server mode spreads requests.
    """
    by_name = {"by_opening": by_opening.simulate, "by_request": by_request.simulate}
    return by_name[engine_for(keeping, application, scene).name](keeping, application, scene, at, random)


def engine_for(keeping: Keeping, application: Application, scene: Scene) -> EngineChoice:
    """The rule: exactly if it is small, or if only the exact engine knows what happens; else by openings."""
    if scene.arrivals is not None:
        return EngineChoice(name="by_request", because="the instants of the requests are given")
    if scene.rates.expected[-1] <= FEW_REQUESTS:
        return EngineChoice(name="by_request", because=f"it has at most {FEW_REQUESTS:,} requests")
    why_not = _why_not_by_opening(keeping, application, scene)
    if why_not is not None:
        return EngineChoice(name="by_request", because=why_not)
    return EngineChoice(name="by_opening", because="threads are independent of each other")


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

"""What follows from simulations: the largest fleet that fits, the smallest age worth having, the break-even.

The hosts of a fleet do not know each other, but for the limits of PostgreSQL and of a shared pooler. So a question
about ages needs few hosts, and one about hosts follows from the mean and the spread of the connections of this fleet.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor, log10, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.engine.simulate import simulate
from loadlab.fleet.limits import most_per_host, overlap
from loadlab.fleet.outcome import without_limit
from loadlab.fleet.repeating import generator
from loadlab.fleet.scaling import excerpt, scaled
from loadlab.model.break_even import BYTES_PER_CORE, even_rate
from loadlab.model.fleet_outcome import BreakEven, LargestFleet, SmallestAge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadlab.model.fleet import Application, Keeping, Scene
    from loadlab.model.fleet_outcome import FleetOutcome

WORTH_HAVING: Final = 0.95  # of the reuse that unlimited has
REACHED: Final = 0.97  # of a bound: from there on, it is what decides
ENOUGH_REQUESTS: Final = 20_000  # to tell reuse to a few thousandths
ENOUGH_AGES: Final = 40  # so long a time has as many of the age that is looked for
FEWEST_HOSTS: Final = 2  # so that others serve while one is deployed
MOST_HOSTS: Final = 1_000  # that are simulated to find the largest fleet
MOST_REQUESTS: Final = 50_000  # of a simulation that verifies a number of hosts
SHORTEST: Final = 0.1  # seconds: ages below make no sense
CLOSE_ENOUGH: Final = 1.05  # a bisection ends there


def smallest_age(keeping: Keeping, application: Application, scene: Scene, seed: int) -> SmallestAge | None:
    """From which CONN_MAX_AGE on reuse is 95 % of what unlimited has; None where strategies have no such age.

    Under this traffic and these events, by bisection over simulations of a few hosts with the same arrivals; of a busy
    host, over a stretch of time that has enough requests.
    """
    if keeping.keeper != "thread" or keeping.pooler is not None:
        return None
    guess = _guess(keeping, scene)
    few = without_limit(_enough(scene, guess))

    def reuse(age: float | None) -> float:
        ran = simulate(replace(keeping, max_age=age), application, few, _two(few), generator(seed, 0))
        return ran.reused / ran.requests if ran.requests else 0.0

    unlimited = reuse(None)
    if not unlimited:
        return SmallestAge(seconds=None, share=WORTH_HAVING, reuse=0.0, unlimited=0.0)
    short, long = _bracket(lambda age: reuse(age) >= WORTH_HAVING * unlimited, guess)
    while long / short > CLOSE_ENOUGH:
        middle = sqrt(short * long)
        short, long = (short, middle) if reuse(middle) >= WORTH_HAVING * unlimited else (middle, long)
    age = _rounded_up(long)
    return SmallestAge(seconds=age, share=WORTH_HAVING, reuse=reuse(age), unlimited=unlimited)


def _guess(keeping: Keeping, scene: Scene) -> float:
    """The closed form for threads that share alike: rate × age / (1 + rate × age) of the requests reuse one."""
    threads = scene.hosts * keeping.processes * (keeping.threads or 1)
    rate = max(float(scene.rates.expected[-1]), 1.0) / scene.rates.seconds / threads
    return min(WORTH_HAVING / (1 - WORTH_HAVING) / rate, scene.rates.seconds)


def _bracket(enough: Callable[[float], bool], guess: float) -> tuple[float, float]:
    """An age that is too short, and a longer one that is long enough; the shortest of all may be enough."""
    long = guess
    while not enough(long):
        long *= 2
    short = long / 2 if long == guess else guess
    while short > SHORTEST and enough(short):
        short, long = short / 2, short
    return max(short, SHORTEST), max(long, SHORTEST)


def _enough(scene: Scene, guess: float) -> Scene:
    """As many hosts as have enough requests together; where one alone has more, a stretch of time that has enough."""
    rate = float(scene.rates.expected[-1]) / scene.hosts / scene.rates.seconds
    seconds = max(ENOUGH_REQUESTS / max(rate, 1e-9), ENOUGH_AGES * guess)
    if seconds < scene.rates.seconds / 2:
        return scaled(excerpt(scene, seconds), 1)
    fewest = FEWEST_HOSTS if scene.ends or scene.outages else 1
    return scaled(scene, min(scene.hosts, max(fewest, ceil(seconds / scene.rates.seconds))))


def _two(scene: Scene) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([0.0, scene.rates.seconds])


def _rounded_up(seconds: float) -> float:
    """To two digits, as a person sets it.

    >>> _rounded_up(30.3), _rounded_up(0.1234), _rounded_up(571.0)
    (31.0, 0.13, 580.0)
    """
    unit = 10.0 ** (floor(log10(seconds)) - 1)
    return round(ceil(round(seconds / unit, 6)) * unit, 6)


def break_even(application: Application, ages: Sequence[float | None]) -> BreakEven | None:
    """From which rate per thread on each age saves more than it costs; None where the costs were not measured."""
    app, database = application.app_cpu_per_connect, application.database_cpu_per_connect
    held = application.connection_bytes
    if app is None or database is None or held is None or not app + database:
        return None
    opening = app + database
    return BreakEven(
        cpu_per_connect=opening,
        idle_bytes=held,
        bytes_per_core=BYTES_PER_CORE,
        by_age=tuple((age, even_rate(age, opening, held)) for age in ages if age != 0),
    )


def largest_fleet(found: FleetOutcome, application: Application, scene: Scene, seed: int) -> LargestFleet:
    """How many hosts fit, each with its share of this traffic.

    Where all threads hold a connection, the bound decides. Elsewhere a number follows from the mean of the open
    connections at the worst moment, which grows with the hosts, and what they exceed it by, which grows with their
    square root; where that is cheap, simulations correct it.
    """
    keeping, free = found.keeping, scene.database.free
    if found.refused_by_pooler:
        return _by_clients(keeping)
    if keeping.pooler is not None and keeping.pooler.shared and keeping.pooler.size <= free:
        return LargestFleet(hosts=None, way="bound", bound=None)
    per_host = most_per_host(keeping)
    # Old and new processes of a host share its pooler.
    at_once = None if per_host is None else per_host * (1.0 if keeping.pooler else overlap(scene))
    bound = None if at_once is None else floor(free / at_once)
    if per_host is not None and at_once is not None and _all_hold_one(found, per_host, at_once, scene.hosts):
        return LargestFleet(hosts=bound, way="bound", bound=bound)
    hosts = max(_by_spread(found, scene), bound or 0)
    if hosts > MOST_HOSTS or scene.rates.expected[-1] * hosts / scene.hosts > MOST_REQUESTS:
        return LargestFleet(hosts=hosts, way="scaled", bound=bound)
    return LargestFleet(
        hosts=max(_simulated(keeping, application, scene, hosts, seed), bound or 0), way="simulation", bound=bound
    )


def _by_clients(keeping: Keeping) -> LargestFleet:
    """Where PgBouncer refuses clients: no host with its own fits; a shared one has room for so many."""
    hosts = 0
    if keeping.pooler is not None and keeping.pooler.shared and keeping.threads is not None:
        hosts = keeping.pooler.most_clients // (keeping.processes * keeping.threads)
    return LargestFleet(hosts=hosts, way="bound", bound=hosts)


def _all_hold_one(found: FleetOutcome, per_host: int, at_once: float, hosts: int) -> bool:
    """Whether all threads hold a connection most of the time, and at the worst moment beside those that end."""
    usual = max(found.open_over_time.median)
    return usual >= REACHED * per_host * hosts and found.needed >= REACHED * at_once * hosts


def _by_spread(found: FleetOutcome, scene: Scene) -> int:
    """The largest share s of the fleet with s × mean + √s × excess ≤ free."""
    free, mean = scene.database.free, max(found.open_over_time.median)
    if not found.needed:
        return scene.hosts
    mean = min(mean if found.fits else found.needed, found.needed)
    excess = found.needed - mean
    root = (sqrt(excess**2 + 4 * mean * free) - excess) / (2 * mean) if mean else free / max(excess, 1)
    return max(0, floor(root**2 * scene.hosts + 1e-9))


def _simulated(keeping: Keeping, application: Application, scene: Scene, guess: int, seed: int) -> int:
    """The most hosts of which none has a request refused, by bisection around a guess."""

    def fits(hosts: int) -> bool:
        some = scaled(scene, hosts)
        return hosts == 0 or not simulate(keeping, application, some, _two(some), generator(seed, 0)).refused

    low, high, growth = 0, max(1, guess), 1.1
    while fits(high):
        low, high = high, ceil(high * growth) + 1
        growth *= growth
        if high > MOST_HOSTS or scene.rates.expected[-1] * high / scene.hosts > MOST_REQUESTS:
            return low
    low = max(low, floor(high * 0.8)) if fits(floor(high * 0.8)) else low
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low

"""A large fleet, of which some hosts are simulated: the others are like them.

Hosts do not depend on each other as long as PostgreSQL refuses none of them. Each host of the sample stands for as many
others, which do the same, each a little earlier or later. So the fleet's numbers vary as those of independent hosts do,
and not as a few hosts' numbers do that are multiplied.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.engine.serving import hosts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadlab.model.fleet import (
        Application,
        Counts,
        DatabaseLimits,
        Keeping,
        Numbers,
        Outage,
        Pooler,
        ProcessesEnd,
        Scene,
        Simulated,
    )

    _Arguments = tuple[Keeping, Application, Scene, Numbers, np.random.Generator]
    Engine = Callable[[Keeping, Application, Scene, Numbers, np.random.Generator], Simulated]

MOST_SHIFT: Final = 30.0  # seconds that a host may be earlier or later than the one that stands for it
_BY_EVENTS: Final = ("lost", "process_end")  # what the longer time of a sample adds nothing to
_DRIFT: Final = 0.05  # seconds per second by which a copy gets ahead or falls behind
_MOST_DRIFT: Final = 0.5  # the same where hosts end one after the other
_INSTANTS: Final = 200_000  # of the sample, at most


def of_hosts(hosts: int, engine: Engine) -> Engine:
    """An engine that lets another simulate so many of the hosts.

    They have their share of what PostgreSQL allows. That is not how PostgreSQL shares it: it refuses those that find it
    full, and a few hosts are full more easily than many.
    """

    def simulate(
        keeping: Keeping, application: Application, scene: Scene, at: Numbers, random: np.random.Generator
    ) -> Simulated:
        return _sampled(engine, hosts, (keeping, application, scene, at, random))

    return simulate


def _sampled(engine: Engine, hosts: int, of: _Arguments) -> Simulated:
    keeping, application, scene, at, random = of
    shift = max(min(MOST_SHIFT, scene.rates.seconds / 50), _stagger(scene, hosts))
    longer = _longer(part(scene, hosts), shift)
    times = np.linspace(0.0, longer.rates.seconds, min(_INSTANTS, int(50 * longer.rates.seconds) + 1))
    sample = engine(_shared(keeping, hosts / scene.hosts), application, longer, times, random)
    copies = -(-scene.hosts // hosts)
    shifts = shift * (2 * (np.arange(copies) + random.random(copies)) / copies - 1)
    opened, closed = _copied(sample, _times(scene, at, shifts), scene.hosts / hosts / copies)
    weight = float(scene.rates.expected[-1] / max(longer.rates.expected[-1], 1e-9))
    once = scene.hosts / hosts
    return replace(
        sample,
        at=at,
        open=opened - closed,
        opened=opened,
        closed=closed,
        requests=round(sample.requests * weight),
        reused=round(sample.reused * weight),
        refused=round(sample.refused * weight),
        failed=round(sample.failed * (once if scene.outages else weight)),
        waited=round(sample.waited * weight),
        waiting_seconds=sample.waiting_seconds * weight,
        client_opened=round(sample.client_opened * weight),
        closed_by={
            cause: round(count * (once if cause in _BY_EVENTS else weight)) for cause, count in sample.closed_by.items()
        },
    )


def _longer(scene: Scene, seconds: float) -> Scene:
    """Some copies are ahead of the time: they need a sample that goes on for as long."""
    edges = scene.rates.edges.copy()
    edges[-1] += seconds
    return replace(scene, rates=replace(scene.rates, edges=edges))


def part(scene: Scene, hosts: int) -> Scene:
    """The scene of a sample: each of its hosts has the requests, the events and the connections of one of the fleet."""
    chosen = [int((each + 0.5) * scene.hosts / hosts) for each in range(hosts)]
    return replace(hosts_of(scene, chosen), database=_scaled(scene.database, hosts / scene.hosts))


def _scaled(database: DatabaseLimits, share: float) -> DatabaseLimits:
    return replace(database, max_connections=max(1, int(database.free * share + 1e-9)), reserved=0)


def _shared(keeping: Keeping, share: float) -> Keeping:
    """With as much of a PgBouncer that the whole fleet shares as the sample's hosts have."""
    pooler = keeping.pooler
    if pooler is None or not pooler.shared:
        return keeping
    return replace(keeping, pooler=_less(pooler, share))


def _less(pooler: Pooler, share: float) -> Pooler:
    return replace(
        pooler, size=max(1, round(pooler.size * share)), most_clients=max(1, round(pooler.most_clients * share))
    )


def _times(scene: Scene, at: Numbers, shifts: Numbers) -> list[Numbers]:
    """For each copy, what time it is in the sample at each instant.

    No copy is shifted where something happens to most hosts at once, and only a little soon before and after: all
    connections that open then expire together.
    """
    fixed = np.array([0.0, *sorted(_common(scene)), np.inf])
    after = np.searchsorted(fixed, at, side="right")
    room = np.minimum(at - fixed[after - 1], fixed[after] - at)
    drift = _DRIFT if shifts.max() <= MOST_SHIFT else _MOST_DRIFT
    return [at - np.sign(shift) * np.minimum(abs(shift), room * drift) for shift in shifts]


def _common(scene: Scene) -> list[float]:
    """When something happens to at least half of the hosts at once."""
    ends = [time for end in scene.ends if _most(end, scene) for time in (end.at, end.serving_again, end.gone)]
    outages = [
        time for outage in scene.outages if _most(outage, scene) for time in (outage.start, outage.end, outage.gone_at)
    ]
    return [time for time in {*ends, *outages} if 0 < time < scene.rates.seconds]


def _most(event: ProcessesEnd | Outage, scene: Scene) -> bool:
    return 2 * (min(event.last, scene.hosts) - event.first) >= scene.hosts


def _stagger(scene: Scene, hosts: int) -> float:
    """Where hosts end one after the other: half the time between those of two hosts of the sample."""
    starts = [end.at for end in scene.ends if not _most(end, scene)]
    return (max(starts) - min(starts)) / hosts / 2 if starts else 0.0


def _copied(sample: Simulated, shifts: Sequence[Numbers], weight: float) -> tuple[Counts, Counts]:
    """How many were opened and closed by all copies until each instant."""
    step = sample.at[1] - sample.at[0]
    opened, closed = np.zeros(len(shifts[0])), np.zeros(len(shifts[0]))
    for times in shifts:
        places = np.minimum(np.rint(times / step), len(sample.at) - 1).astype(np.int64)
        opened += sample.opened[places]
        closed += sample.closed[places]
    return np.rint(opened * weight).astype(np.int64), np.rint(closed * weight).astype(np.int64)

"""The most connections that a fleet can hold, how busy its threads are, and where the model does not hold."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from loadlab.model.fleet_outcome import FleetCaveat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Application, Keeping, ProcessesEnd, Scene
    from loadlab.model.fleet_outcome import FleetOutcome

BUSY: Final = 0.7  # of the time; from there on, queues decide what users see
FAILING: Final = 0.01  # of the requests
FEW_REPEATS: Final = 9  # fewer cover less than 80 %


def most_per_host(keeping: Keeping) -> int | None:
    """What the connections of one host to PostgreSQL cannot exceed; None where nothing bounds them, or is per host."""
    if keeping.pooler is not None:
        return None if keeping.pooler.shared else keeping.pooler.size
    if keeping.pool is not None:
        return keeping.processes * keeping.pool.largest
    if keeping.keeper == "request" and (keeping.max_age is None or keeping.max_age > 0):
        return None  # what no request finds waits for the garbage collector
    return None if keeping.threads is None else keeping.processes * keeping.threads


def overlap(scene: Scene) -> float:
    """How many times the connections of all hosts may be open at once: old processes beside new ones."""
    changes = chain.from_iterable(_overlapping(end) for end in scene.ends)
    most = now = 0
    for _, hosts in sorted(changes):
        now += hosts
        most = max(most, now)
    return 1.0 + most / scene.hosts


def _overlapping(end: ProcessesEnd) -> Iterator[tuple[float, int]]:
    if end.gone > end.serving_again:
        yield end.serving_again, end.last - end.first
        yield end.gone, end.first - end.last


def busiest_rate(scene: Scene) -> float:
    """Requests per second in the busiest step."""
    return float(scene.rates.per_second.max())


def utilisation(keeping: Keeping, application: Application, scene: Scene, opens_per_request: float) -> float | None:
    """The share of their time that threads hold a connection or open one, in the busiest step; None if unbounded."""
    if keeping.threads is None:
        return None
    held = application.hold_seconds.mean + opens_per_request * application.connect_seconds.mean
    return busiest_rate(scene) * held / (scene.hosts * keeping.processes * keeping.threads)


def busy_processes(keeping: Keeping, application: Application, scene: Scene, opens_per_request: float) -> float | None:
    """The share of a core that each process needs in the busiest step; None where its CPU was not measured."""
    if application.app_cpu_per_request is None:
        return None
    each = application.app_cpu_per_request + opens_per_request * (application.app_cpu_per_connect or 0.0)
    return busiest_rate(scene) * each / (scene.hosts * keeping.processes)


def caveats_of(found: FleetOutcome, application: Application, scene: Scene) -> tuple[FleetCaveat, ...]:
    """Those of one strategy, the gravest first."""
    return tuple(_caveats(found, application, scene))


def _caveats(found: FleetOutcome, application: Application, scene: Scene) -> Iterator[FleetCaveat]:
    keeping = found.keeping
    if found.busy_threads is not None and found.busy_threads >= BUSY:
        yield FleetCaveat(kind="queues", figures={"busy": found.busy_threads})
    if (share := found.failed.middle / max(found.requests.middle, 1.0)) >= FAILING:
        yield FleetCaveat(kind="failing", figures={"share": share})
    busy = busy_processes(keeping, application, scene, found.opens_per_request.middle)
    if busy is not None and busy >= BUSY:
        yield FleetCaveat(kind="busy_processes", figures={"busy": busy})
    if keeping.keeper == "request" and keeping.max_age != 0 and keeping.pool is None:
        yield FleetCaveat(kind="never_found", figures={})
    elif most_per_host(keeping) is None and keeping.pooler is None:
        yield FleetCaveat(kind="unbounded", figures={})


def common_caveats(server: str, application: Application, repeats: int) -> tuple[FleetCaveat, ...]:
    """Those of a fleet's whole answer: what was not measured, or not as the model needs it."""
    found = []
    if server not in application.spreads:
        found.append(FleetCaveat(kind="no_spread", figures={"server": server}))
    if application.closed_loop:
        found.append(FleetCaveat(kind="closed_loop"))
    if application.database_cpu_per_connect is None or application.app_cpu_per_connect is None:
        found.append(FleetCaveat(kind="cpu_not_measured"))
    if application.idle_backend_bytes is None:
        found.append(FleetCaveat(kind="memory_not_measured"))
    if repeats < FEW_REPEATS:
        found.append(FleetCaveat(kind="few_repeats", figures={"repeats": repeats}))
    return tuple(found)

"""Which strategy a fleet should take: of those that fit the limits at all times, the one that opens least.

A strategy whose requests fail more often than another's, as in a pool that is too small, is left out of these.
Two strategies differ if their bands of opens per second do not overlap, and if they open for one request in a hundred
more or less. Of those that do not differ from the best, the simplest is taken, as in a run's verdicts.
"""

from __future__ import annotations

from math import ceil, floor, sqrt
from typing import TYPE_CHECKING, Final

from loadlab.analysis.recommendations import recommended
from loadlab.analysis.simplicity import order
from loadlab.fleet.limits import BUSY, busiest_rate, overlap
from loadlab.model.fleet_outcome import FleetVerdict, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.analysis.simplicity import Order
    from loadlab.model.fleet import Application, Keeping, Scene
    from loadlab.model.fleet_outcome import FleetOutcome, VerdictKind

MARGIN: Final = 0.01  # of the requests
FAILURES: Final = 0.001  # of the requests, that one strategy may fail more than another
ROOM: Final = 4  # standard deviations of a Poisson distribution above its mean


def fleet_verdict(
    outcomes: Sequence[FleetOutcome], application: Application, scene: Scene, driver: str
) -> FleetVerdict:
    """Of at least one strategy."""
    fitting = [place for place, one in enumerate(outcomes) if one.fits]
    if not fitting:
        chosen = min(range(len(outcomes)), key=lambda place: outcomes[place].needed)
        return FleetVerdict(
            kind="none_fits", chosen=chosen, remedies=tuple(_remedies(outcomes[chosen], application, scene))
        )
    alike = _alike(outcomes, _not_failing(outcomes, fitting))
    chosen = min(alike, key=lambda place: _order(outcomes[place]))
    return FleetVerdict(
        kind=_kind(outcomes, fitting, alike),
        chosen=chosen,
        rival=_rival(outcomes, fitting, alike),
        alike=tuple(alike) if len(alike) > 1 else (),
        recommend=recommended(outcomes[chosen].case, driver),
    )


def _not_failing(outcomes: Sequence[FleetOutcome], fitting: Sequence[int]) -> list[int]:
    least = outcomes[min(fitting, key=lambda place: outcomes[place].failed.middle)]
    return [place for place in fitting if not _fails_more(outcomes[place], least)]


def _fails_more(one: FleetOutcome, least: FleetOutcome) -> bool:
    more = one.failed.middle - least.failed.middle
    return not one.failed.overlaps(least.failed) and more >= FAILURES * one.requests.middle


def _alike(outcomes: Sequence[FleetOutcome], fitting: Sequence[int]) -> list[int]:
    """The one that opens least, and those that do not differ from it."""
    best = outcomes[min(fitting, key=lambda place: outcomes[place].opens_per_second.middle)]
    return [place for place in fitting if not _opens_more(outcomes[place], best)]


def _opens_more(one: FleetOutcome, best: FleetOutcome) -> bool:
    more = one.opens_per_second.middle - best.opens_per_second.middle
    requests_per_second = best.requests.middle / best.seconds
    return not one.opens_per_second.overlaps(best.opens_per_second) and more >= MARGIN * requests_per_second


def _kind(outcomes: Sequence[FleetOutcome], fitting: Sequence[int], alike: Sequence[int]) -> VerdictKind:
    if len(outcomes) == 1:
        return "only_one"
    if len(fitting) == 1:
        return "only_one_fits"
    return "no_difference" if len(alike) == len(outcomes) else "best"


def _rival(outcomes: Sequence[FleetOutcome], fitting: Sequence[int], alike: Sequence[int]) -> int | None:
    """The next best that fits; without any, the one that needs least."""
    others = [place for place in fitting if place not in alike]
    if others:
        return min(others, key=lambda place: outcomes[place].opens_per_second.middle)
    unfit = [place for place in range(len(outcomes)) if place not in fitting]
    return min(unfit, key=lambda place: outcomes[place].needed) if unfit else None


def _order(one: FleetOutcome) -> Order:
    return order(one.case)


def _more_clients(keeping: Keeping, hosts: int) -> Iterator[Remedy]:
    if keeping.pooler is not None and keeping.threads is not None:
        sharing = hosts if keeping.pooler.shared else 1
        yield Remedy(kind="max_client_conn", count=sharing * keeping.processes * keeping.threads)


def _remedies(least: FleetOutcome, application: Application, scene: Scene) -> Iterator[Remedy]:
    keeping, free = least.keeping, least.free
    if least.refused_by_pooler:
        yield from _more_clients(keeping, scene.hosts)
        return
    if keeping.pooler is None:
        held = busiest_rate(scene) * application.hold_seconds.mean  # Little's law
        size = ceil(held + ROOM * sqrt(held)) + 1
        if size <= free:
            yield Remedy(kind="pooler", count=size)
    if keeping.threads is not None:
        threads = floor(free / (scene.hosts * keeping.processes * overlap(scene)))
        if 0 < threads < keeping.threads and (least.busy_threads or 0.0) * keeping.threads / threads < BUSY:
            yield Remedy(kind="fewer_threads", count=threads)
    yield Remedy(kind="max_connections", count=least.needed + scene.database.reserved)
    if least.largest is not None and least.largest.hosts:
        yield Remedy(kind="fewer_hosts", count=least.largest.hosts)

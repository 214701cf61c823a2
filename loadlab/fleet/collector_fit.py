"""What Python's garbage collector counts while requests are under way, and what of it stays when they have ended.

Each use tells what was counted when it began. From one use of a process to its next, that grows by what each request
left behind that ended meanwhile, and by what those add that are under way, if the collector did not search in between.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.engine.database import Connection
from loadlab.fleet.engine.garbage import CountingGarbage
from loadlab.model.fleet import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from loadlab.instrumentation.uses_file import Use
    from loadlab.model.fleet import Counts, Numbers

HALVINGS: Final = 6  # to find the share of early searches within 1/64
REPLAYS: Final = 4  # of each: chance decides which searches are early
FEWEST: Final = 20  # steps from use to use, to tell what requests add
LEAST: Final = 1e-4  # a share that a request leaves behind; less brings no search about


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counted:
    """What one process had counted at each use, in how many searches, with so many requests `under_way` or `over`.

    It is `settled` where all have ended that were under way in the last search.
    """

    young: Numbers
    searches: Counts
    under_way: Counts
    over: Counts
    settled: NDArray[np.bool_]
    uses: Sequence[Use]


def collector_of(uses: Iterable[Use]) -> Collector | None:
    """None where the collector is off, or too little was seen."""
    processes = list(_counted(uses))
    steps = np.concatenate([np.empty((0, 3)), *map(_steps, processes)])
    if len(steps) < FEWEST:
        return None
    (left, busy), *_ = np.linalg.lstsq(steps[:, 1:], steps[:, 0], rcond=None)
    if left < LEAST:
        return None
    found = _begun(Collector(busy=max(float(busy), float(left)), left=float(left)), processes)
    return replace(found, early=_early(found, processes))


def _begun(collector: Collector, processes: Sequence[_Counted]) -> Collector:
    """With what most of these had counted before their first request."""
    first = median(one.young[0] - collector.busy * one.under_way[0] - collector.left * one.over[0] for one in processes)
    searches = Counter(int(one.searches[0]) for one in processes).most_common(1)[0][0]
    return replace(collector, first=float(max(0.0, first)), searches=searches)


def _counted(uses: Iterable[Use]) -> Iterator[_Counted]:
    by_process: dict[int, list[Use]] = defaultdict(list)
    for use in uses:
        if use.young is not None and use.searches is not None:
            by_process[use.process].append(use)
    for of_process in by_process.values():
        began = np.array([use.began for use in of_process])
        ended = np.array([use.ended for use in of_process])
        over = np.searchsorted(np.sort(ended), began, side="right")
        so_far = np.searchsorted(np.sort([use.began - (use.connect or 0.0) for use in of_process]), began, side="right")
        searches = np.array([use.searches for use in of_process])
        yield _Counted(
            young=np.array([use.young for use in of_process]),
            searches=searches,
            under_way=so_far - over,
            over=over,
            settled=_settled(began, ended, searches),
            uses=of_process,
        )


def _early(collector: Collector, processes: Sequence[_Counted]) -> float:
    """The share with which connections wait for as long as they did, all together: the less, the more are early."""
    left = [
        one for one in processes if any(use.collected for use in one.uses) and not any(use.closed for use in one.uses)
    ]
    if not left:
        return 0.0
    waited = sum(_waited(one.uses, [use.collected for use in one.uses]) for one in left)
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        share = (low + high) / 2
        if _waiting(replace(collector, early=share), left) > waited:
            low = share
        else:
            high = share
    return (low + high) / 2


def _waiting(collector: Collector, processes: Sequence[_Counted]) -> float:
    """How long connections wait, all together, where the collector counts so."""
    return fmean(
        sum(_waited(one.uses, replayed(_begun(collector, [one]), one.uses, seed)) for one in processes)
        for seed in range(REPLAYS)
    )


def _waited(uses: Sequence[Use], collected: Iterable[float | None]) -> float:
    end = uses[-1].began
    return sum(max(0.0, (at or end) - use.ended) for use, at in zip(uses, collected, strict=True))


def replayed(collector: Collector, uses: Sequence[Use], seed: int = 0) -> list[float | None]:
    """When the collector closes the connection of each use of a process; None of what waits at the end."""
    uniforms = iter(np.random.default_rng(seed).random(len(uses) + 1))
    garbage, connections = CountingGarbage(collector, uniforms), [_unowned(use.began) for use in uses]
    places = {connection: place for place, connection in enumerate(connections)}
    closed: list[float | None] = [None] * len(uses)
    begins = [(use.began - (use.connect or 0.0), True, place) for place, use in enumerate(uses)]
    for at, begins_now, place in sorted([*begins, *((use.ended, False, place) for place, use in enumerate(uses))]):
        connection = connections[place]
        if begins_now:
            found = list(garbage.before())
            connection.mark = garbage.mark()
            found += garbage.begin(place)
        else:
            found = list(garbage.leave(connection, place))
            garbage.ended()
        for each in found:
            closed[places[each]] = at
    return closed


def _unowned(at: float) -> Connection:
    return Connection(owner=None, now=at)  # type: ignore[arg-type]  # what collects it does not ask whose it is


def _steps(process: _Counted) -> Numbers:
    """From each use to the next without a search in between: what was counted, and how many ended and went on.

    The collector never counts below 0, as it would when requests end that were under way while it searched. So steps
    begin only when these have ended.
    """
    steps = np.column_stack((np.diff(process.young), np.diff(process.over), np.diff(process.under_way)))
    found: Numbers = steps[(np.diff(process.searches) == 0) & process.settled[:-1]]
    return found


def _settled(began: Numbers, ended: Numbers, searches: Counts) -> NDArray[np.bool_]:
    """At which uses all requests have ended that were under way in the last search."""
    searched = np.flatnonzero(np.diff(searches)) + 1
    until = np.zeros(len(began))
    until[searched] = [ended[: use + 1].max() for use in searched]
    settled: NDArray[np.bool_] = began >= np.maximum.accumulate(until)
    return settled

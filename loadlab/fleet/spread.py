"""Sums up how the requests of a trial used their connections, for its record."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import replace
from statistics import mean, median
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.collector_fit import collector_of
from loadlab.fleet.dispatch_fit import Served, choices_of, fit, thread_choices
from loadlab.fleet.garbage import lags, merged
from loadlab.model.fleet import Distribution, Spread
from loadlab.model.uses import Choices, GarbageCount, NewProcesses, Uses

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.instrumentation.uses_file import Use
    from loadlab.servers import Server

QUANTILES: Final = np.linspace(0, 1, 101)
MOST_SHARES: Final = 64  # of processes, and of threads
MOST_CLIENTS: Final = 1_000
FITTED: Final = 2_000  # uses, at most: more say little, and the next trial waits


def uses_of(uses: Sequence[Use], *, since: float, server: Server) -> Uses | None:
    """What the uses of a trial come to, in the order in which they began; None without any.

    `since` is when the measured window began.
    """
    if not uses:
        return None
    processes, capacity = server.processes(), server.usable_connections(MOST_CLIENTS) // server.processes()
    threads = server.lasting_connections(MOST_CLIENTS, keep_alive=False) // processes
    measured = [use for use in uses if use.began >= since] or uses
    connects = [use.connect for use in measured if use.connect is not None] or [
        use.connect for use in uses if use.connect is not None
    ]
    first = uses[:FITTED]
    process_choices = choices_of(_by_process(first), processes, capacity) if processes > 1 else ()
    of_threads, odds = _of_threads(first, threads) if threads > 1 else ((), 0.0)
    garbage = _garbage(uses, threads)
    spread = Spread(
        processes=fit(process_choices, processes - 1),
        threads=fit(of_threads, threads - 1),
        lazy_threads=odds > 0,
        collected_after=lags(merged([garbage]), len(QUANTILES)),
        collector=collector_of(uses),
        cold_seconds=_longer([one[0] for one in _of_each(uses)], measured),
        ahead_seconds=_ahead(measured) if threads else 0.0,
        requests=len(measured),
        by_process=_shares(use.process for use in measured),
        by_thread=_shares((use.process, use.thread) for use in measured) if threads else (),
    )
    return Uses(
        spread=spread,
        hold_seconds=distribution([use.ended - use.began for use in measured]),
        connect_seconds=distribution(connects),
        process_choices=process_choices,
        thread_choices=of_threads,
        lazy_odds=odds,
        garbage=garbage,
    )


def new_processes(servers: Iterable[Sequence[Use]]) -> NewProcesses | None:
    """What their first requests met, in all processes of servers that have booted alike; None without any."""
    of_all = [list(one) for server in servers for one in _of_each(server)]
    first, later = [one[0] for one in of_all], [use for one in of_all for use in one[1:]]
    if not first:
        return None
    young = [use.young for use in first if use.young is not None]
    searches = Counter(use.searches for use in first if use.searches is not None)
    return NewProcesses(
        cold_seconds=_longer(first, later) if later else 0.0,
        young=median(young) if young else None,
        searches=searches.most_common(1)[0][0] if searches else None,
    )


def with_new_processes(spread: Spread, fresh: NewProcesses) -> Spread:
    """The spread of processes that begin like these."""
    collector = spread.collector
    if collector is not None and fresh.young is not None and fresh.searches is not None:
        first = max(0.0, fresh.young - collector.busy)
        collector = replace(collector, first=first, searches=fresh.searches)
    return replace(spread, cold_seconds=fresh.cold_seconds, collector=collector)


def _of_each(uses: Iterable[Use]) -> Iterable[list[Use]]:
    by_process: dict[int, list[Use]] = defaultdict(list)
    for use in uses:
        by_process[use.process].append(use)
    return by_process.values()


def _longer(first: Sequence[Use], later: Sequence[Use]) -> float:
    """How much longer the first requests of processes took than later ones, by their medians."""
    longer = median(map(_own, first)) - median(map(_own, later))
    connected, connects = ([use.connect for use in uses if use.connect is not None] for uses in (first, later))
    if connected and connects:
        longer += median(connected) - median(connects)
    return max(0.0, longer)


def _own(use: Use) -> float:
    """What the request took in Django, without the time to connect."""
    return _before(use) + use.ended - use.began


def _before(use: Use) -> float:
    """How long it was in Django before it connected, or used its connection."""
    return 0.0 if use.started is None else max(0.0, use.began - (use.connect or 0.0) - use.started)


def _ahead(uses: Iterable[Use]) -> float:
    known = [_before(use) for use in uses if use.started is not None]
    return mean(known) if known else 0.0


def distribution(values: Sequence[float]) -> Distribution | None:
    """At most 101 quantiles of the values; None without any."""
    if not len(values):
        return None
    kept = np.sort(values) if len(values) <= len(QUANTILES) else np.quantile(values, QUANTILES)
    return Distribution(values=tuple(round(float(value), 9) for value in kept))


def _by_process(uses: Iterable[Use]) -> list[Served]:
    return [Served(use.began, use.ended, use.process) for use in uses]


def _of_threads(uses: Iterable[Use], threads: int) -> tuple[tuple[Choices, ...], float]:
    by_process: dict[int, list[Served]] = defaultdict(list)
    for use in uses:
        by_process[use.process].append(Served(use.began, use.ended, use.thread))
    return thread_choices(list(by_process.values()), threads)


def _garbage(uses: Sequence[Use], threads: int) -> tuple[GarbageCount, ...]:
    """Connections that the garbage collector closed or, where threads end with their requests, that wait for it."""
    began: dict[int, list[float]] = defaultdict(list)
    for use in uses:
        began[use.process].append(use.began)
    counted: Counter[tuple[int, bool]] = Counter()
    for use in uses:
        of_process, before = began[use.process], bisect_right(began[use.process], use.ended)
        if use.collected is not None:
            counted[bisect_right(of_process, use.collected) - before, True] += 1
        elif use.connect is not None and not use.closed and not threads:
            counted[len(of_process) - before, False] += 1
    return tuple(
        GarbageCount(after=after, collected=collected, count=count)
        for (after, collected), count in sorted(counted.items())
    )


def _shares(members: Iterable[object]) -> tuple[float, ...]:
    """The share of each, the largest first."""
    counted = Counter(members)
    return tuple(round(count / counted.total(), 4) for _, count in counted.most_common(MOST_SHARES))

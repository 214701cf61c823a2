"""Connections that no request finds again: the thread ends with its request, and the garbage collector closes them.

Each request opens one. It closes when the process has begun so many more requests, or before: when the process ends,
when it is lost, or with its request, if that takes longer than the maximum age.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from loadlab.fleet.engine.garbage import Searches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadlab.fleet.engine.counting import RequestOutcomes
    from loadlab.fleet.engine.sessions import SessionTally
    from loadlab.fleet.engine.streams import Streams
    from loadlab.model.fleet import Keeping, Numbers, Scene, Spread


def count_collected(  # noqa: PLR0913, PLR0917  what a simulation is made of
    processes: Streams,
    keeping: Keeping,
    spread: Spread,
    scene: Scene,
    sessions: SessionTally,
    counts: RequestOutcomes,
    random: np.random.Generator,
) -> None:
    """Counts the sessions of all requests, and those that fail."""
    idle = keeping.conditions_in(scene).idle_seconds
    age = inf if keeping.max_age is None else keeping.max_age
    starts, ends = processes.starts, processes.ends
    refused, lost = _outages(processes, scene)
    counts.failed += int(np.count_nonzero(refused))
    collected = _collected(processes, spread, random)
    collected[ends >= starts + age] = inf
    with_request = np.where(ends >= starts + age, ends, inf)
    lost = np.minimum(lost, inf if idle is None else ends + idle)
    gone = processes.gone[processes.member]
    closes = np.minimum.reduce([with_request, collected, lost, gone])
    counts.failed += int(np.count_nonzero(~refused & (lost < ends) & (closes == lost)))
    sessions.open(starts[~refused])
    at_end = "expired" if age else "request_end"
    left = ~refused
    for cause, times in (
        (at_end, with_request),
        ("garbage_collected", collected),
        ("lost", lost),
        ("process_end", gone),
    ):
        here = left & (closes == times) & (closes < inf)
        sessions.close(closes[here], starts[here], cause)
        left &= ~here


def _collected(processes: Streams, spread: Spread, random: np.random.Generator) -> Numbers:
    """When the garbage collector closes each; inf if it never does."""
    collected = np.full(len(processes.starts), inf)
    if not spread.collected_after:
        return collected
    searches, member = Searches(spread), processes.member
    apart = float(processes.ends.max(initial=0.0)) + 1.0
    begun = np.searchsorted(processes.starts + member * apart, processes.ends + member * apart, side="right")
    searched, second = searches.phases(random.random((2, len(processes.hosts))))
    first = processes.first[member]
    own = np.arange(1, len(member) + 1) - first
    after = searches.collected(own, begun - first, (searched[member], second[member]))
    there = after <= processes.first[member + 1] - first
    by_request = processes.starts[(first + after - 1)[there]]
    collected[there] = np.maximum(by_request, processes.ends[there])
    return collected


def _outages(processes: Streams, scene: Scene) -> tuple[NDArray[np.bool_], Numbers]:
    """Which requests cannot connect, and when the connections of the others are lost; inf if never."""
    hosts, starts = processes.hosts[processes.member], processes.starts
    refused, lost = np.zeros(len(starts), dtype=bool), np.full(len(starts), inf)
    for outage in scene.outages:
        here = (hosts >= outage.first) & (hosts < outage.last)
        refused |= here & (starts >= outage.start) & (starts < outage.end)
        before = here & (starts < outage.start)
        lost[before] = np.minimum(lost[before], outage.start)
    return refused, lost

"""The fast engine where requests prefer some threads: first who serves what, then an event for each opening."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.engine.collected import count_collected
from loadlab.fleet.engine.counting import RequestOutcomes
from loadlab.fleet.engine.serving import boots, hosts_of
from loadlab.fleet.engine.sessions import SessionTally
from loadlab.fleet.engine.streamed import StreamedConnections
from loadlab.fleet.engine.streams import by_thread, serve
from loadlab.fleet.engine.uses import Holds
from loadlab.model.fleet import Spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Application, Keeping, Numbers, Scene, Simulated

MOST_REQUESTS: Final = 1_500_000  # at a time: 100 MB


def simulate(
    keeping: Keeping, application: Application, scene: Scene, at: Numbers, random: np.random.Generator
) -> Simulated:
    """One simulation of one strategy on a fleet, with what is open at each of the sorted instants `at`.

    Only for what `engine_for` gives to this engine; nothing is refused.
    """
    spread = keeping.spread_of(application) or Spread()
    holds = Holds(application.hold_seconds, application.connect_seconds, random)
    sessions = SessionTally(at, scene.rates.seconds, scene.rates.expected[-1])
    counts = RequestOutcomes()
    for some in _few_at_a_time(scene):
        processes = serve(keeping, spread, application, some, counts, random)
        if keeping.threads is None or keeping.keeper == "request":
            count_collected(processes, keeping, spread, some, sessions, counts, random)
        else:
            threads = by_thread(processes, keeping.threads, spread, random)
            del processes  # as large as what follows
            StreamedConnections(keeping, some, threads, holds, sessions, counts).run()
    if keeping.connects_at_boot:
        sessions.open_and_close(boots(scene))
    return sessions.simulated(counts)


def _few_at_a_time(scene: Scene) -> Iterator[Scene]:
    """The hosts in groups, each with its share of the requests, so that a group's requests fit into memory."""
    groups = min(scene.hosts, -(-int(scene.rates.expected[-1]) // MOST_REQUESTS))
    bounds = np.linspace(0, scene.hosts, groups + 1).astype(int).tolist()
    if groups <= 1:
        yield scene
    for first, last in pairwise(bounds) if groups > 1 else ():
        yield hosts_of(scene, range(first, last))

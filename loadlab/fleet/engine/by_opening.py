"""The fast engine: an event for each connection that opens, instead of one for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.fleet.engine.counting import RequestCounts
from loadlab.fleet.engine.kept import KeptConnections
from loadlab.fleet.engine.serving import reachable, thread_rate
from loadlab.fleet.engine.sessions import Sessions
from loadlab.fleet.engine.short import count_short
from loadlab.fleet.engine.uses import Holds, Uses

if TYPE_CHECKING:
    import numpy as np

    from loadlab.model.fleet import Application, Keeping, Numbers, Scene, Simulated


def simulate(
    keeping: Keeping, application: Application, scene: Scene, at: Numbers, random: np.random.Generator
) -> Simulated:
    """One simulation of one strategy on a fleet, with what is open at each of the sorted instants `at`.

    Only for what `engine_for` gives to this engine. More connections of an age other than 0 are open than PostgreSQL
    allows, if that is what the requests come to: nothing is refused.
    """
    holds = Holds(application.hold_seconds, application.connect_seconds, random)
    if keeping.max_age == 0:
        return _short(scene, holds, at, random)
    return _kept(keeping, scene, holds, at, random)


def _short(scene: Scene, holds: Holds, at: Numbers, random: np.random.Generator) -> Simulated:
    reached = reachable(scene)
    sessions = Sessions(at, scene.rates.seconds, 0)
    refused = count_short(reached, scene.database.free, holds, sessions, random)
    opened = sessions.opened
    failed = int(random.poisson(max(0.0, scene.rates.expected[-1] - reached.expected[-1])))
    arrived = opened + refused + failed
    return sessions.simulated(RequestCounts(arrived=arrived, connected=opened, refused=refused, failed=failed))


def _kept(keeping: Keeping, scene: Scene, holds: Holds, at: Numbers, random: np.random.Generator) -> Simulated:
    uses = Uses(thread_rate(keeping, scene), holds.mean, random)
    sessions = Sessions(at, scene.rates.seconds, scene.rates.expected[-1])
    threads = KeptConnections(keeping, scene, uses, holds, sessions)
    reused = threads.run()
    failing = max(0.0, scene.rates.expected[-1] - reachable(scene).expected[-1])
    failed = threads.failed + int(random.poisson(failing))
    opened = sessions.opened
    arrived = opened + reused + failed
    return sessions.simulated(RequestCounts(arrived=arrived, connected=opened, reused=reused, failed=failed))

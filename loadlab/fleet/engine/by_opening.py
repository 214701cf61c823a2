"""The fast engine: an event for each connection that opens, instead of one for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.fleet.engine.counting import RequestOutcomes
from loadlab.fleet.engine.kept import KeptConnections
from loadlab.fleet.engine.serving import boots, reachable, thread_rate
from loadlab.fleet.engine.sessions import SessionTally
from loadlab.fleet.engine.short import count_short
from loadlab.fleet.engine.uses import Holds, ThreadUses

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
    sessions = SessionTally(at, scene.rates.seconds, 0 if keeping.max_age == 0 else scene.rates.expected[-1])
    if keeping.max_age == 0:
        counts = _short(scene, holds, sessions, random)
    else:
        counts = _kept(keeping, scene, holds, sessions, random)
    if keeping.connects_at_boot:
        sessions.open_and_close(boots(scene))
    return sessions.simulated(counts)


def _short(scene: Scene, holds: Holds, sessions: SessionTally, random: np.random.Generator) -> RequestOutcomes:
    reached = reachable(scene)
    refused = count_short(reached, scene.database.free, holds, sessions, random)
    failed = int(random.poisson(max(0.0, scene.rates.expected[-1] - reached.expected[-1])))
    arrived = sessions.opened + refused + failed
    return RequestOutcomes(arrived=arrived, connected=sessions.opened, refused=refused, failed=failed)


def _kept(
    keeping: Keeping, scene: Scene, holds: Holds, sessions: SessionTally, random: np.random.Generator
) -> RequestOutcomes:
    uses = ThreadUses(thread_rate(keeping, scene), holds.mean, random)
    threads = KeptConnections(keeping, scene, uses, holds, sessions)
    reused = threads.run()
    failing = max(0.0, scene.rates.expected[-1] - reachable(scene).expected[-1])
    failed = threads.failed + int(random.poisson(failing))
    arrived = sessions.opened + reused + failed
    return RequestOutcomes(arrived=arrived, connected=sessions.opened, reused=reused, failed=failed)

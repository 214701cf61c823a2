"""The fast engine: an event for each connection that opens, instead of one for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.fleet.engine.kept import KeptConnections
from loadlab.fleet.engine.serving import reachable, thread_rate
from loadlab.fleet.engine.sessions import Sessions
from loadlab.fleet.engine.short import count_short
from loadlab.fleet.engine.uses import Holds, Uses
from loadlab.model.fleet import Simulated

if TYPE_CHECKING:
    import numpy as np

    from loadlab.model.fleet import Application, Keeping, Numbers, Scene


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
    sessions = Sessions(at, 0)
    refused = count_short(reached, scene.database.free, holds, sessions, random)
    opened = int(sessions.opened()[-1])
    failed = int(random.poisson(max(0.0, scene.rates.expected[-1] - reached.expected[-1])))
    return _simulated(sessions, requests=opened + refused + failed, reused=0, refused=refused, failed=failed)


def _kept(keeping: Keeping, scene: Scene, holds: Holds, at: Numbers, random: np.random.Generator) -> Simulated:
    uses = Uses(thread_rate(keeping, scene), holds.mean, random)
    sessions = Sessions(at, scene.rates.expected[-1])
    threads = KeptConnections(keeping, scene, uses, holds, sessions)
    reused = threads.run()
    failing = max(0.0, scene.rates.expected[-1] - reachable(scene).expected[-1])
    failed = threads.failed + int(random.poisson(failing))
    opened = int(sessions.opened()[-1])
    return _simulated(sessions, requests=opened + reused + failed, reused=reused, refused=0, failed=failed)


def _simulated(sessions: Sessions, *, requests: int, reused: int, refused: int, failed: int) -> Simulated:
    opened, closed = sessions.opened(), sessions.closed()
    return Simulated(
        at=sessions.at,
        open=opened - closed,
        opened=opened,
        closed=closed,
        requests=requests,
        reused=reused,
        refused=refused,
        failed=failed,
        waited=0,
        waiting_seconds=0.0,
        client_opened=int(opened[-1]),
        ages=sessions.ages(),
        closed_by=dict(sessions.causes),
    )

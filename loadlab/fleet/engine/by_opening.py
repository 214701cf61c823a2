"""The fast engine: an event for each connection that opens, instead of one for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loadlab.fleet.engine.breaks import serving_hosts
from loadlab.fleet.engine.kept import KeptConnections
from loadlab.fleet.engine.sessions import Sessions
from loadlab.fleet.engine.short import count_short
from loadlab.fleet.engine.uses import Holds, Uses
from loadlab.model.fleet import Rates, Simulated

if TYPE_CHECKING:
    from loadlab.model.fleet import Application, Keeping, Numbers, Outage, ProcessesEnd, Scene


def simulate(
    keeping: Keeping, application: Application, scene: Scene, at: Numbers, random: np.random.Generator
) -> Simulated:
    """One simulation of one strategy on a fleet, with what is open at each of the sorted instants `at`.

    Only for what `engine_for` gives to this engine.
    """
    holds = Holds(application.hold_seconds, application.connect_seconds, random)
    if keeping.max_age == 0:
        return _short(scene, holds, at, random)
    return _kept(keeping, scene, holds, at, random)


def _short(scene: Scene, holds: Holds, at: Numbers, random: np.random.Generator) -> Simulated:
    reached = reachable(scene)
    sessions = Sessions(at, 0)
    opened = count_short(reached, holds, sessions, random)
    failed = int(random.poisson(max(0.0, scene.rates.expected[-1] - reached.expected[-1])))
    return _simulated(sessions, requests=opened + failed, reused=0, failed=failed)


def _kept(keeping: Keeping, scene: Scene, holds: Holds, at: Numbers, random: np.random.Generator) -> Simulated:
    uses = Uses(thread_rate(keeping, scene), holds.mean, random)
    sessions = Sessions(at, scene.rates.expected[-1])
    threads = KeptConnections(keeping, scene, uses, holds, sessions)
    reused = threads.run()
    failing = max(0.0, scene.rates.expected[-1] - reachable(scene).expected[-1])
    failed = threads.failed + int(random.poisson(failing))
    opened = int(sessions.opened()[-1])
    return _simulated(sessions, requests=opened + reused + failed, reused=reused, failed=failed)


def thread_rate(keeping: Keeping, scene: Scene) -> Rates:
    """How many requests a thread serves per second while its host gets requests."""
    serving = serving_hosts(scene)
    edges = np.union1d(scene.rates.edges, serving.edges)
    threads = keeping.processes * (keeping.threads or 1)
    hosts = np.maximum(_in_steps(serving, edges), 1.0)
    return Rates(edges=edges, per_second=_in_steps(scene.rates, edges) / hosts / threads)


def reachable(scene: Scene) -> Rates:
    """The requests that come to a host that reaches PostgreSQL."""
    serving = serving_hosts(scene)
    times = [time for outage in scene.outages for time in (outage.start, outage.end) if 0 < time < scene.rates.seconds]
    edges = np.unique(np.concatenate((scene.rates.edges, serving.edges, times)))
    hosts = _in_steps(serving, edges)
    cut_off = np.zeros(len(hosts))
    for outage in scene.outages:
        during = (edges[:-1] >= outage.start) & (edges[:-1] < outage.end)
        cut_off[during] += _serving_among(outage, scene.ends, edges[:-1][during], scene.hosts)
    share = np.where(hosts > 0, 1 - np.minimum(cut_off / np.maximum(hosts, 1), 1), 0.0)
    return Rates(edges=edges, per_second=_in_steps(scene.rates, edges) * share)


def _serving_among(outage: Outage, ends: tuple[ProcessesEnd, ...], times: Numbers, hosts: int) -> Numbers:
    """How many of the hosts that are cut off get requests at these times."""
    serving = np.full(len(times), float(min(outage.last, hosts) - outage.first))
    for end in ends:
        both = min(end.last, outage.last, hosts) - max(end.first, outage.first)
        serving[(times >= end.at) & (times < end.serving_again)] -= max(0, both)
    return serving


def _in_steps(rates: Rates, edges: Numbers) -> Numbers:
    """The rate of each step of finer edges."""
    places = np.searchsorted(rates.edges, edges[:-1], side="right") - 1
    found: Numbers = rates.per_second[np.clip(places, 0, len(rates.per_second) - 1)]
    return found


def _simulated(sessions: Sessions, *, requests: int, reused: int, failed: int) -> Simulated:
    opened, closed = sessions.opened(), sessions.closed()
    return Simulated(
        at=sessions.at,
        open=opened - closed,
        opened=opened,
        closed=closed,
        requests=requests,
        reused=reused,
        refused=0,
        failed=failed,
        waited=0,
        waiting_seconds=0.0,
        client_opened=int(opened[-1]),
        ages=sessions.ages(),
        closed_by=dict(sessions.causes),
    )

"""How many hosts serve, and which requests reach PostgreSQL, over the simulated time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from loadlab.model.fleet import Rates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    from loadlab.model.fleet import Keeping, Numbers, Outage, ProcessesEnd, Scene

    _Event = TypeVar("_Event", ProcessesEnd, Outage)


def serving_hosts(scene: Scene) -> Rates:
    """How many hosts get requests, in the shape of rates: `per_second` is the number of hosts in each step."""
    changes = [(end.at, -_count(end, scene.hosts)) for end in scene.ends]
    changes += [(end.serving_again, _count(end, scene.hosts)) for end in scene.ends]
    inner = [when for when, _ in changes if 0 < when < scene.rates.seconds]
    edges = np.unique(np.concatenate(([0.0, scene.rates.seconds], inner)))
    serving = np.full(len(edges) - 1, float(scene.hosts))
    for when, hosts in changes:
        serving[edges[:-1] >= when] += hosts
    return Rates(edges=edges, per_second=serving)


def boots(scene: Scene) -> Numbers:
    """When hosts start that can connect then."""
    times = [(0.0, host) for host in range(scene.hosts)]
    for end in scene.ends:
        times += [(end.serving_again, host) for host in range(end.first, min(end.last, scene.hosts))]
    reach = [time for time, host in times if time <= scene.rates.seconds and not _cut_off(scene, time, host)]
    return np.array(reach)


def _cut_off(scene: Scene, time: float, host: int) -> bool:
    return any(each.start <= time < each.end and each.first <= host < each.last for each in scene.outages)


def _count(end: ProcessesEnd, hosts: int) -> int:
    return max(0, min(end.last, hosts) - end.first)


def hosts_of(scene: Scene, chosen: Sequence[int]) -> Scene:
    """The scene of some of the hosts: each has the requests and the events that it has among all."""
    few = replace(
        scene,
        hosts=len(chosen),
        ends=tuple(_of_chosen(scene.ends, chosen)),
        outages=tuple(_of_chosen(scene.outages, chosen)),
    )
    serving, fewer = serving_hosts(scene), serving_hosts(few)
    edges = np.unique(np.concatenate((scene.rates.edges, serving.edges, fewer.edges)))
    share = in_steps(fewer, edges) / np.maximum(in_steps(serving, edges), 1)
    return replace(few, rates=Rates(edges=edges, per_second=in_steps(scene.rates, edges) * share))


def _of_chosen(events: Sequence[_Event], chosen: Sequence[int]) -> list[_Event]:
    return [
        replace(event, first=place, last=place + 1)
        for event in events
        for place, host in enumerate(chosen)
        if event.first <= host < event.last
    ]


def thread_rate(keeping: Keeping, scene: Scene) -> Rates:
    """How many requests a thread serves per second while its host gets requests."""
    serving = serving_hosts(scene)
    edges = np.union1d(scene.rates.edges, serving.edges)
    threads = keeping.processes * (keeping.threads or 1)
    hosts = np.maximum(in_steps(serving, edges), 1.0)
    return Rates(edges=edges, per_second=in_steps(scene.rates, edges) / hosts / threads)


def reachable(scene: Scene) -> Rates:
    """The requests that come to a host that reaches PostgreSQL."""
    serving = serving_hosts(scene)
    times = [time for outage in scene.outages for time in (outage.start, outage.end) if 0 < time < scene.rates.seconds]
    edges = np.unique(np.concatenate((scene.rates.edges, serving.edges, times)))
    hosts = in_steps(serving, edges)
    cut_off = np.zeros(len(hosts))
    for outage in scene.outages:
        during = (edges[:-1] >= outage.start) & (edges[:-1] < outage.end)
        cut_off[during] += _serving_among(outage, scene.ends, edges[:-1][during], scene.hosts)
    share = np.where(hosts > 0, 1 - np.minimum(cut_off / np.maximum(hosts, 1), 1), 0.0)
    return Rates(edges=edges, per_second=in_steps(scene.rates, edges) * share)


def _serving_among(outage: Outage, ends: tuple[ProcessesEnd, ...], times: Numbers, hosts: int) -> Numbers:
    """How many of the hosts that are cut off get requests at these times."""
    serving = np.full(len(times), float(max(0, min(outage.last, hosts) - outage.first)))
    for end in ends:
        both = min(end.last, outage.last, hosts) - max(end.first, outage.first)
        serving[(times >= end.at) & (times < end.serving_again)] -= max(0, both)
    return serving


def in_steps(rates: Rates, edges: Numbers) -> Numbers:
    """The rate of each step of finer edges."""
    places = np.searchsorted(rates.edges, edges[:-1], side="right") - 1
    found: Numbers = rates.per_second[np.clip(places, 0, len(rates.per_second) - 1)]
    return found

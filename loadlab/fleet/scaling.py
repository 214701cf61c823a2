"""The same fleet with another number of hosts, where each keeps its share of traffic and events, or for less time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.fleet import Outage, ProcessesEnd, Scene

    Concerned = TypeVar("Concerned", ProcessesEnd, Outage)
else:
    Concerned = TypeVar("Concerned")


def scaled(scene: Scene, hosts: int) -> Scene:
    """As many hosts under as much traffic each. Of an event's hosts, as large a share is concerned."""
    share = hosts / scene.hosts
    rates = replace(scene.rates, per_second=scene.rates.per_second * share)
    ends, outages = _scaled(scene.ends, share), _scaled(scene.outages, share)
    return replace(scene, hosts=hosts, rates=rates, ends=ends, outages=outages, arrivals=None)


def excerpt(scene: Scene, seconds: float) -> Scene:
    """A stretch of so many seconds whose mean rate is nearest to that of the whole time, without events."""
    edges, expected = scene.rates.edges, scene.rates.expected
    starts = np.arange(0.0, scene.rates.seconds - seconds, seconds)
    within = np.interp(starts + seconds, edges, expected) - np.interp(starts, edges, expected)
    start = float(starts[np.argmin(np.abs(within - expected[-1] * seconds / scene.rates.seconds))])
    inner = edges[(edges > start) & (edges < start + seconds)]
    steps = np.searchsorted(edges, np.concatenate(([start], inner)), side="right") - 1
    rates = replace(
        scene.rates,
        edges=np.concatenate(([0.0], inner - start, [seconds])),
        per_second=scene.rates.per_second[steps],
    )
    return replace(scene, rates=rates, ends=(), outages=(), arrivals=None)


def _scaled(events: Sequence[Concerned], share: float) -> tuple[Concerned, ...]:
    """Events that concern no host any more are left out."""
    moved = (replace(one, first=round(one.first * share), last=round(one.last * share)) for one in events)
    return tuple(one for one in moved if one.last > one.first)

"""The same fleet with another number of hosts: each host keeps its share of the traffic and of the events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

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


def _scaled(events: Sequence[Concerned], share: float) -> tuple[Concerned, ...]:
    """Events that concern no host any more are left out."""
    moved = (replace(one, first=round(one.first * share), last=round(one.last * share)) for one in events)
    return tuple(one for one in moved if one.last > one.first)

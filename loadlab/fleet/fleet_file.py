"""Reads `fleet.toml` into a consistent fleet. All problems are reported together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.fleet.keeping import keeping
from loadlab.model.fleet import Conditions, Extent, Scene

if TYPE_CHECKING:
    from loadlab.fleet.events.base import Event
    from loadlab.fleet.traffic.base import Traffic
    from loadlab.model.config import Config
    from loadlab.model.fleet import Keeping, Spread
    from loadlab.model.fleet_question import FleetQuestion


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """A consistent question, with its text and what its members are built of; `strategies` are what is compared."""

    question: FleetQuestion
    text: str
    server: Config
    strategies: tuple[Config, ...]
    traffic: Traffic
    events: tuple[Event, ...] = ()

    def keeping(self, strategy: Config, spread: Spread | None) -> Keeping:
        """How connections live under one of the strategies, where requests spread as measured."""
        asked = self.question
        return keeping(self.server, strategy, spread, driver=asked.driver, shared_pooler=asked.pooler == "shared")

    def scene(self, hosts: int | None = None) -> Scene:
        """What one simulation of it needs, with as many hosts as there are, or others under the same traffic.

        Raises:
            UsageError: the traffic cannot be read.
        """
        asked = self.question
        rates = self.traffic.rates(asked.duration)
        extent = Extent(hosts=hosts or asked.hosts, seconds=rates.seconds)
        conditions = Conditions()
        for event in self.events:
            conditions = event.conditions(conditions)
        return Scene(
            hosts=extent.hosts,
            rates=rates,
            database=asked.database,
            balance=asked.balance,
            ends=tuple(end for event in self.events for end in event.ends(extent)),
            outages=tuple(outage for event in self.events for outage in event.outages(extent)),
            conditions=conditions,
        )

"""PostgreSQL restarts, or fails over to a standby at the same address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from loadlab.fleet.events.base import Event
from loadlab.model.bounds import Bounds
from loadlab.model.fleet import Outage


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseRestart(Event):
    """At `at_seconds` every connection is lost, and for `down_seconds` none can be opened."""

    at_seconds: Annotated[float, Bounds(ge=0, finite=True, description="seconds since the start, 0 or more")]
    down_seconds: Annotated[float, Bounds(ge=0, finite=True, description="seconds, 0 or more")] = 5.0

    def outages(self, hosts: int) -> tuple[Outage, ...]:
        return (Outage(start=self.at_seconds, end=self.at_seconds + self.down_seconds, first=0, last=hosts),)

"""PostgreSQL restarts, or fails over to a standby at the same address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.fleet.events.base import At, Event, Seconds, too_late
from loadlab.model.fleet import Outage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Extent
    from loadlab.plan.problems import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseRestart(Event):
    """At `at_seconds` every connection is lost, and for `down_seconds` none can be opened."""

    at_seconds: At
    down_seconds: Seconds = 5.0

    def problems(self, extent: Extent) -> Iterator[Problem]:
        return too_late(self.at_seconds, extent)

    def outages(self, extent: Extent) -> tuple[Outage, ...]:
        return (Outage(start=self.at_seconds, end=self.at_seconds + self.down_seconds, first=0, last=extent.hosts),)

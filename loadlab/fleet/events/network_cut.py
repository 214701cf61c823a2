"""Some hosts cannot reach PostgreSQL for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.fleet.events.base import At, Event, HostNumber, Hosts, Seconds, outside, too_late
from loadlab.model.fleet import Outage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Extent
    from loadlab.plan.problems import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkCut(Event):
    """At `at_seconds`, `hosts` hosts from number `first_host` on lose their connections; none opens for `down_seconds`.

    Without `hosts` it is all from `first_host` on. The hosts stay in the rotation, and their side notices. PostgreSQL
    notices after `noticed_seconds`, and counts the lost connections until then.
    """

    at_seconds: At
    hosts: Hosts | None = None
    first_host: HostNumber = 0
    down_seconds: Seconds = 30.0
    noticed_seconds: Seconds = 0.0

    def problems(self, extent: Extent) -> Iterator[Problem]:
        yield from too_late(self.at_seconds, extent)
        yield from outside(self.first_host, self.hosts or 1, extent)

    def outages(self, extent: Extent) -> tuple[Outage, ...]:
        last = extent.hosts if self.hosts is None else self.first_host + self.hosts
        end, gone = self.at_seconds + self.down_seconds, self.at_seconds + self.noticed_seconds
        return (Outage(start=self.at_seconds, end=end, first=self.first_host, last=last, gone=gone),)

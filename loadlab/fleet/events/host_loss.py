"""Hosts are lost without a word: no process closes its connections."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from loadlab.fleet.events.base import At, Event, HostNumber, Hosts, Seconds, outside, too_late
from loadlab.model.fleet import ProcessesEnd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Extent
    from loadlab.plan.problems import Problem

# Linux asks a silent peer after 7200 s, then 9 times every 75 s (man 7 tcp); PostgreSQL's tcp_keepalives_* are 0, which
# leaves it at that.
KEEPALIVE_SECONDS: Final = 7200.0 + 9 * 75


@dataclass(frozen=True, kw_only=True, slots=True)
class HostLoss(Event):
    """At `at_seconds`, `hosts` hosts from number `first_host` on are lost, and serve again `back_seconds` later.

    Without `back_seconds` they do not come back. Their connections stay open in PostgreSQL until it notices, after
    `noticed_seconds`: by TCP keepalive, with Linux's defaults after 2 h 11 min.
    """

    at_seconds: At
    hosts: Hosts = 1
    first_host: HostNumber = 0
    back_seconds: Seconds | None = None
    noticed_seconds: Seconds = KEEPALIVE_SECONDS

    def problems(self, extent: Extent) -> Iterator[Problem]:
        yield from too_late(self.at_seconds, extent)
        yield from outside(self.first_host, self.hosts, extent)

    def ends(self, extent: Extent) -> tuple[ProcessesEnd, ...]:  # noqa: ARG002  it names its hosts itself
        again = inf if self.back_seconds is None else self.at_seconds + self.back_seconds
        last = self.first_host + self.hosts
        gone = self.at_seconds + self.noticed_seconds
        return (ProcessesEnd(at=self.at_seconds, first=self.first_host, last=last, serving_again=again, gone=gone),)

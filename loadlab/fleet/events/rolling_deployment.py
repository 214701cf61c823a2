"""New processes on one batch of hosts after the other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Annotated

from loadlab.fleet.events.base import At, Event, Every, Hosts, Seconds, repeated, too_late, too_many, too_often
from loadlab.model.bounds import Bounds
from loadlab.model.fleet import ProcessesEnd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Extent
    from loadlab.plan.problems import Problem

Share = Annotated[float, Bounds(gt=0, le=1, description="a share of the hosts, more than 0 and at most 1")]


@dataclass(frozen=True, kw_only=True, slots=True)
class RollingDeployment(Event):
    """A batch leaves the rotation, ends its requests and processes, boots and serves again; then the next one does.

    It begins at `at_seconds`, and again every `every_seconds`. A batch is `hosts_at_once` hosts, or `share_at_once` of
    all. It takes `drain_seconds` until the old processes have ended, and `boot_seconds` until new ones serve. With
    `surge`, the new ones boot first, so no host leaves the rotation, and old and new overlap while the old ones drain.
    """

    at_seconds: At
    hosts_at_once: Hosts = 1
    share_at_once: Share | None = None
    drain_seconds: Seconds = 5.0
    boot_seconds: Seconds = 10.0
    surge: Annotated[bool, Bounds(description="true or false")] = False
    every_seconds: Every | None = None

    def problems(self, extent: Extent) -> Iterator[Problem]:
        yield from too_late(self.at_seconds, extent)
        yield from too_many("hosts_at_once", self.hosts_at_once, extent)
        yield from too_often(self.every_seconds, len(self._batches(extent.hosts)) * self._batch_seconds)

    def ends(self, extent: Extent) -> tuple[ProcessesEnd, ...]:
        starts = repeated(self.at_seconds, self.every_seconds, extent)
        batches = self._batches(extent.hosts)
        return tuple(
            self._end(batch, at)
            for start in starts
            for batch, at in zip(batches, count(start, self._batch_seconds), strict=False)
            if at < extent.seconds
        )

    def _end(self, batch: range, start: float) -> ProcessesEnd:
        at = start + self.boot_seconds if self.surge else start
        again = at if self.surge else at + self._batch_seconds
        gone = at + self.drain_seconds
        return ProcessesEnd(at=at, first=batch.start, last=batch.stop, serving_again=again, gone=gone)

    @property
    def _batch_seconds(self) -> float:
        return self.drain_seconds + self.boot_seconds

    def _batches(self, hosts: int) -> list[range]:
        size = self.hosts_at_once if self.share_at_once is None else max(1, round(self.share_at_once * hosts))
        return [range(first, min(first + size, hosts)) for first in range(0, hosts, size)]

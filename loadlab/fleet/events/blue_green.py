"""A second set of processes takes over at once, and the first one ends later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.fleet.events.base import At, Event, Every, Seconds, repeated, too_late, too_often
from loadlab.model.fleet import ProcessesEnd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Extent
    from loadlab.plan.problems import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class BlueGreen(Event):
    """At `at_seconds` new processes get all requests; the old ones keep their connections for `overlap_seconds` more.

    This happens again every `every_seconds`.
    """

    at_seconds: At
    overlap_seconds: Seconds = 60.0
    every_seconds: Every | None = None

    def problems(self, extent: Extent) -> Iterator[Problem]:
        yield from too_late(self.at_seconds, extent)
        yield from too_often(self.every_seconds, self.overlap_seconds)

    def ends(self, extent: Extent) -> tuple[ProcessesEnd, ...]:
        return tuple(
            ProcessesEnd(at=at, first=0, last=extent.hosts, serving_again=at, gone=at + self.overlap_seconds)
            for at in repeated(self.at_seconds, self.every_seconds, extent)
        )

"""Each process ends after a number of requests, and another takes its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from loadlab.fleet.events.base import Event
from loadlab.model.bounds import Bounds

if TYPE_CHECKING:
    from loadlab.model.fleet import Conditions


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerMaxRequests(Event):
    """A process ends after `max_requests` requests, and up to `jitter` more, drawn anew for each process."""

    max_requests: Annotated[int, Bounds(ge=1, le=1_000_000_000, description="a whole number of requests, 1 or more")]
    jitter: Annotated[int, Bounds(ge=0, le=1_000_000_000, description="a whole number of requests, 0 or more")] = 0

    def conditions(self, conditions: Conditions) -> Conditions:
        return replace(conditions, max_requests=self.max_requests, max_requests_jitter=self.jitter)

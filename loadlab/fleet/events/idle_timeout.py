"""PostgreSQL, a load balancer or a firewall ends connections that are idle for too long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from loadlab.fleet.events.base import Event
from loadlab.model.bounds import Bounds

if TYPE_CHECKING:
    from loadlab.model.fleet import Conditions


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleTimeout(Event):
    """A connection that was idle for `idle_seconds` is lost; of several such events, the shortest counts."""

    idle_seconds: Annotated[float, Bounds(gt=0, finite=True, description="seconds, more than 0")]

    def conditions(self, conditions: Conditions) -> Conditions:
        others = self.idle_seconds if conditions.idle_seconds is None else conditions.idle_seconds
        return replace(conditions, idle_seconds=min(self.idle_seconds, others))

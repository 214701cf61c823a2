"""A spike of latency: each round trip to the database takes longer while it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from loadlab.faults._network import NetworkFault
from loadlab.model.bounds import Bounds


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencySpike(NetworkFault):
    """`added_ms` is added to each round trip."""

    added_ms: Annotated[float, Bounds(gt=0, le=60_000, finite=True, description="milliseconds, more than 0")]

    def command(self) -> tuple[object, ...]:
        return ("latency", self.added_ms)

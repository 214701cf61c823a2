"""A low rate, with bursts at regular times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from loadlab.fleet.traffic.base import LowRate, Rate, Traffic
from loadlab.model.bounds import Bounds
from loadlab.model.fleet import Rates

if TYPE_CHECKING:
    from loadlab.model.fleet import Numbers

Seconds = Annotated[float, Bounds(ge=0, finite=True, description="seconds, 0 or more")]
Period = Annotated[float, Bounds(ge=1, finite=True, description="seconds, 1 or more")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bursts(Traffic):
    """`base_rate` requests per second, and every `period_seconds` `burst_rate` for `burst_seconds`.

    The first burst begins at `first_seconds`. Unless another time is asked for, it is one period.
    """

    base_rate: LowRate
    burst_rate: Rate
    burst_seconds: Period
    period_seconds: Period
    first_seconds: Seconds = 0.0

    def __post_init__(self) -> None:
        if self.burst_seconds >= self.period_seconds:
            raise ValueError("burst_seconds must be shorter than period_seconds, or the rate never falls")

    def rates(self, seconds: float | None) -> Rates:
        end = self.first_seconds + self.period_seconds if seconds is None else seconds
        begins = np.arange(self.first_seconds, end, self.period_seconds)
        turns = np.column_stack((begins, begins + self.burst_seconds)).ravel()
        edges = np.concatenate(([0.0], turns, [end]))
        per_second = np.resize([self.base_rate, self.burst_rate], edges.size - 1)
        return _within(end, edges, per_second)


def _within(end: float, edges: Numbers, per_second: Numbers) -> Rates:
    """The steps until the end, without those of no length."""
    edges = np.minimum(edges, end)
    lasts = np.diff(edges) > 0
    return Rates(edges=np.append(edges[:-1][lasts], end), per_second=per_second[lasts])

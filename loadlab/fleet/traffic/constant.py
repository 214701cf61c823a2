"""The same rate all the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from loadlab.fleet.traffic.base import Rate, Traffic
from loadlab.model.fleet import Rates

HOUR: Final = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Constant(Traffic):
    """`rate` requests per second that use the database; an hour of them, unless another time is asked for."""

    rate: Rate

    def rates(self, seconds: float | None) -> Rates:
        return Rates(edges=np.array([0.0, HOUR if seconds is None else seconds]), per_second=np.array([self.rate]))

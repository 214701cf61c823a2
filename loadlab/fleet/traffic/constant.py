"""The same rate all the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from loadlab.fleet.traffic.base import Traffic
from loadlab.model.bounds import Bounds
from loadlab.model.fleet import Rates


@dataclass(frozen=True, kw_only=True, slots=True)
class Constant(Traffic):
    """`rate` requests per second that use the database."""

    rate: Annotated[float, Bounds(gt=0, le=10_000_000, finite=True, description="requests per second, more than 0")]

    def rates(self, seconds: float) -> Rates:
        return Rates(edges=np.array([0.0, seconds]), per_second=np.array([self.rate]))

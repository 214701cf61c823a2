"""How many requests came in each second, counted in any order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from loadlab.model.fleet import Counts

HOUR: Final = 3600
LONGEST_DAYS: Final = 31
LONGEST_SECONDS: Final = LONGEST_DAYS * 24 * HOUR


@dataclass(kw_only=True, slots=True)
class SecondCounts:
    """Requests by the second, all within `LONGEST_SECONDS`. Memory is taken for hours that have some."""

    first: int = 0
    last: int = 0
    hours: dict[int, Counts] = field(default_factory=dict)

    def add(self, second: int, requests: int) -> bool:
        """Count these; False if they are too far from the others."""
        first, last = (min(self.first, second), max(self.last, second)) if self.hours else (second, second)
        if last - first >= LONGEST_SECONDS:
            return False
        self.first, self.last = first, last
        hour, within = divmod(second, HOUR)
        if hour not in self.hours:
            self.hours[hour] = np.zeros(HOUR, dtype=np.int64)
        self.hours[hour][within] += requests
        return True

    def by_second(self) -> Counts:
        """From the first second that has requests to the last one; empty where there are none."""
        first, last = self.first, self.last
        hours = range(first // HOUR, last // HOUR + 1) if self.hours else ()
        none = np.zeros(HOUR, dtype=np.int64)
        by_second: Counts = np.concatenate([none[:0], *(self.hours.get(hour, none) for hour in hours)])
        begin = first // HOUR * HOUR
        return by_second[first - begin : last - begin + 1]

"""A day's rise and fall, every day the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np

from loadlab.fleet.traffic.base import Rate, Traffic
from loadlab.model.bounds import Bounds
from loadlab.model.fleet import Rates

if TYPE_CHECKING:
    from loadlab.model.fleet import Numbers

Hour = Annotated[float, Bounds(ge=0, lt=24, description="an hour of the day, from 0 to before 24")]
Share = Annotated[float, Bounds(ge=0, le=1, description="a share from 0 to 1")]
HourlyShare = Annotated[float, Bounds(ge=0, finite=True, description="a number, 0 or more")]
HOURS: Final = 24
HOUR: Final = 3600.0
STEP_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Day(Traffic):
    """The rate falls from `peak_hour` to `trough_hour` and rises again, along a cosine; it starts at `start_hour`.

    Either `mean_rate` or `peak_rate` is given, in requests per second; the lowest is `trough_share` of the highest.
    With `hourly_shares`, 24 numbers from midnight on, each hour has its share of the day's requests instead. The rate
    changes every minute, or every hour. Unless another time is asked for, it is one day.
    """

    mean_rate: Rate | None = None
    peak_rate: Rate | None = None
    peak_hour: Hour = 15.0
    trough_hour: Hour = 4.0
    trough_share: Share = 0.2
    hourly_shares: list[HourlyShare] | None = None
    start_hour: Hour = 0.0

    def __post_init__(self) -> None:
        if (self.mean_rate is None) == (self.peak_rate is None):
            raise ValueError("give either mean_rate or peak_rate, in requests per second")
        if self.hourly_shares is not None and (len(self.hourly_shares) != HOURS or not sum(self.hourly_shares)):
            raise ValueError("hourly_shares must be 24 numbers, one for each hour from midnight on, and not all 0")
        if self.peak_hour == self.trough_hour:
            raise ValueError("peak_hour and trough_hour must differ")

    def rates(self, seconds: float | None) -> Rates:
        start = self.start_hour * HOUR
        length = HOURS * HOUR if seconds is None else seconds
        step = STEP_SECONDS if self.hourly_shares is None else HOUR
        inner = np.arange(np.floor(start / step) + 1, np.ceil((start + length) / step)) * step - start
        edges = np.concatenate(([0.0], inner, [length]))
        hours = (start + (edges[:-1] + edges[1:]) / 2) / HOUR
        shape = self._cosine(hours) if self.hourly_shares is None else self._hourly(hours)
        return Rates(edges=edges, per_second=shape * self._highest)

    @property
    def _highest(self) -> float:
        """The rate where the shape is 1."""
        return self.peak_rate if self.peak_rate is not None else (self.mean_rate or 0.0) / self._mean

    @property
    def _mean(self) -> float:
        """The mean of the shape over a day."""
        if self.hourly_shares is not None:
            return sum(self.hourly_shares) / (HOURS * max(self.hourly_shares))
        return (1 + self.trough_share) / 2

    def _hourly(self, hours: Numbers) -> Numbers:
        shares = np.asarray(self.hourly_shares)
        hourly: Numbers = shares[hours.astype(int) % HOURS] / shares.max()
        return hourly

    def _cosine(self, hours: Numbers) -> Numbers:
        """From peak to trough, and from trough to peak, half a cosine each, as long as it lasts."""
        fall = (self.trough_hour - self.peak_hour) % HOURS
        hour = (hours - self.peak_hour) % HOURS
        turns = np.where(hour < fall, hour / fall, 1 + (hour - fall) / (HOURS - fall))
        shape: Numbers = self._mean + (1 - self.trough_share) / 2 * np.cos(np.pi * turns)
        return shape

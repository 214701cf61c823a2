"""Notices when a process did not run: its own clock, read many times a second.

A process does not run when it is stopped, when its machine is suspended or starved of CPU, and when one piece of its
own work takes long. All that it times then is wrong.
"""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass
from typing import Final

TICK_SECONDS: Final = 0.02
NOTABLE_SECONDS: Final = 0.05  # shorter distances between two ticks are not kept
# Python's monotonic clock stops while the machine is suspended. This one goes on: on Linux CLOCK_BOOTTIME does, on
# macOS CLOCK_MONOTONIC.
PASSING: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """How long a process did not run, and for how much of that its machine was suspended; in seconds."""

    seconds: float = 0.0
    suspended: float = 0.0


class Ticker:
    """Keeps every notable distance between two ticks; `tick` is to be called every `TICK_SECONDS`.

    `start` and `end` are instants of the monotonic clock.
    """

    def __init__(self) -> None:
        self._from = array("d")
        self._to = array("d")
        self._suspended = array("d")
        self._last: tuple[float, float] | None = None

    def tick(self) -> None:
        self.take(time.monotonic(), time.clock_gettime(PASSING))

    def take(self, now: float, passed: float) -> None:
        """A tick at these readings of the monotonic clock and of the one that a suspended machine does not stop."""
        before, passed_before = self._last or (now, passed)
        self._last = (now, passed)
        suspended = max(0.0, (passed - passed_before) - (now - before))
        if now - before + suspended >= NOTABLE_SECONDS:
            self._from.append(before)
            self._to.append(now)
            self._suspended.append(suspended)

    def longest(self, start: float, end: float) -> Pause:
        """The longest pause within a window; of one that began before it or ends after it, the part within.

        >>> ticker = Ticker()
        >>> for now, passed in [(10.0, 0.0), (10.5, 0.5), (13.0, 3.0), (13.5, 9.5)]:
        ...     ticker.take(now, passed)
        >>> ticker.longest(11.0, 13.25)
        Pause(seconds=6.25, suspended=6.0)
        >>> ticker.longest(10.0, 12.0)
        Pause(seconds=1.5, suspended=0.0)
        """
        pauses = [
            Pause(seconds=min(to, end) - max(since, start) + suspended, suspended=suspended)
            for since, to, suspended in zip(self._from, self._to, self._suspended, strict=True)
            if since < end and to > start
        ]
        return max(pauses, key=lambda one: one.seconds, default=Pause())

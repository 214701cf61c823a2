"""Ends waits that have lasted too long. Nearly all end by themselves before, so one timer serves many of them."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gevent.hub import Hub


class Expirable(Protocol):
    """What may have to be ended."""

    def expire(self) -> None:
        """Called on the hub, once the time is over."""


class Deadlines:
    """Of all that waits on one hub. A timer is set for the earliest deadline, and set again only when it has rung."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._ends: dict[Expirable, float] = {}
        self._timer: Any = None  # gevent's, which has no public type
        self._rings = inf

    def start(self, waiting: Expirable, seconds: float) -> None:
        ends = self._ends[waiting] = time.monotonic() + seconds
        if ends < self._rings:
            self._set(ends)

    def stop(self, waiting: Expirable) -> None:
        self._ends.pop(waiting, None)

    def _set(self, instant: float) -> None:
        if self._timer is not None:
            self._timer.close()
        self._rings = instant
        # ref=False: a timer for what may have ended long ago is no reason for the loop to go on.
        self._timer = self.hub.loop.timer(max(0.0, instant - time.monotonic()), ref=False)
        self._timer.start(self._ring, update=True)

    def _ring(self) -> None:
        now = time.monotonic()
        for waiting in [each for each, ends in self._ends.items() if ends <= now]:
            del self._ends[waiting]
            waiting.expire()
        self._rings = inf
        if self._ends:
            self._set(min(self._ends.values()))

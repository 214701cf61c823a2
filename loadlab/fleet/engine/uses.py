"""When a thread is used, where any idle thread is as likely as another to get the next request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.fleet import Rates

if TYPE_CHECKING:
    from loadlab.model.fleet import Distribution, Numbers

_MOST_BUSY: Final = 0.999


class Holds:
    """How long a request that opens, and one that finds its connection, are busy; drawn from measured times."""

    def __init__(self, hold: Distribution, connect: Distribution, random: np.random.Generator) -> None:
        self._random = random
        self._hold = hold
        self._connect = connect
        self._lengths = np.asarray(hold.values)
        self.mean = hold.mean
        self.connect = connect.mean
        lengths = np.cumsum(self._lengths)
        self._by_length = lengths / lengths[-1] if lengths[-1] > 0 else np.ones(len(lengths))

    def connecting(self, count: int) -> Numbers:
        return self._connect.draw(self._random, count)

    def opening(self, count: int) -> Numbers:
        return self.connecting(count) + self._hold.draw(self._random, count)

    def under_way(self, count: int) -> tuple[Numbers, Numbers]:
        """Of requests that are under way at an instant: how long they have been, and how long they still are.

        A request is the likelier to be met, the longer it takes; each of its moments is as likely.
        """
        place = np.searchsorted(self._by_length, self._random.random(count))
        longer = self._lengths[np.minimum(place, len(self._lengths) - 1)]
        age = longer * self._random.random(count)
        return age, longer - age


class ThreadUses:
    """The uses of one thread: idle for an exponential time, then busy with a request.

    `rate` is how many requests each thread serves per second. While it is idle they come faster, so that
    the mean time from one to the next is 1 / rate.
    """

    def __init__(self, rate: Rates, busy_seconds: float, random: np.random.Generator) -> None:
        self.random = random
        self.edges = rate.edges
        self.busy = np.minimum(rate.per_second * busy_seconds, _MOST_BUSY)
        while_idle = Rates(edges=rate.edges, per_second=rate.per_second / (1 - self.busy))
        self._chances, self._served = while_idle.expected, rate.expected

    def after(self, times: Numbers) -> Numbers:
        """When the next request comes to threads that are idle at these times; inf where none comes before the end."""
        reached = self._at(times, self._chances) + self.random.standard_exponential(len(times))
        found: Numbers = np.interp(reached, self._chances, self.edges, right=np.inf)
        return np.maximum(found, times)

    def chance(self, start: Numbers, end: Numbers) -> Numbers:
        """The probability that a thread that is idle at `start` gets a request before `end`."""
        chance: Numbers = -np.expm1(self._at(start, self._chances) - self._at(end, self._chances))
        return chance

    def busy_at(self, times: Numbers) -> Numbers:
        """The probability that a thread is busy then."""
        if len(self.busy) == 1:
            return np.broadcast_to(self.busy, times.shape)
        steps = np.searchsorted(self.edges, times, side="right") - 1
        return self.busy[np.clip(steps, 0, len(self.busy) - 1)]

    def expected(self, start: Numbers, end: Numbers) -> float:
        """How many requests threads serve between these times, in all."""
        lasting = end > start
        return float(np.sum(self._at(end[lasting], self._served) - self._at(start[lasting], self._served)))

    def _at(self, times: Numbers, cumulative: Numbers) -> Numbers:
        found: Numbers = np.interp(times, self.edges, cumulative)
        return found

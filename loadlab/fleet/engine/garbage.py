"""When Python's garbage collector closes the connections of threads that have ended.

CPython searches the youngest generation of objects once in so many allocations, so once in about as many requests of
the process, while one of them begins. All garbage of that generation goes at once. What is in use then is kept for the
search of the second generation, which comes once in a dozen; the rest waits for a search of everything, which comes
seldom or never. The lags of single connections were measured. From them follow how often each generation is searched
and what share of connections waits for which search. All connections of a process wait for the same searches.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.fleet import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.fleet.engine.database import Connection
    from loadlab.model.fleet import Counts, Numbers

YOUNG: Final = 1.5  # periods of the youngest generation, by which what its searches find is gone


class Searches:
    """How often a server mode's processes search each generation, in requests, from the measured `lags` (sorted).

    `periods` are those of the youngest and of the second. `second` and `never` are the shares of connections that wait
    for the second search, and for none. Where all lags are the same, nothing is searched: each connection closes so
    many requests after its own.
    """

    def __init__(self, lags: tuple[int, ...]) -> None:
        known = np.asarray(lags, dtype=np.float64)
        self._fixed = lags[0] if lags[0] == lags[-1] else None
        edge = math.ceil(YOUNG * (2 * float(np.median(known)) + 1))
        young, second = known[known <= edge], known[(known > edge) & (known < NEVER)]
        self.periods = (_period(young), _period(second - edge) + edge if len(second) else 1.0)
        self.never = float((known >= NEVER).mean())
        # Some that wait for the second search meet it soon, and were taken for young ones.
        second_share = len(second) / len(known) * self.periods[1] / max(self.periods[1] - edge, 1.0)
        self.second = min(second_share, 1 - self.never)

    def after(self, requests: int, phases: tuple[float, float], drawn: float) -> int:
        """The number of the request during whose start a connection closes that was left after so many `requests`.

        `phases` are of its process: a number of a request that searches each generation. `drawn` is random, up to 1.
        """
        if self._fixed is not None:
            return requests + self._fixed
        if drawn < self.never:
            return NEVER
        generation = drawn < self.never + self.second
        following = requests + 1
        return math.floor(following + (phases[generation] - following) % self.periods[generation])

    def after_each(self, requests: Counts, phases: Numbers, drawn: Numbers) -> Counts:
        """The same for many connections; `phases` has a row for each generation."""
        if self._fixed is not None:
            return requests + self._fixed
        second = drawn < self.never + self.second
        periods = np.where(second, self.periods[1], self.periods[0])
        phase = np.where(second, phases[1], phases[0])
        following = requests + 1
        found = np.floor(following + (phase - following) % periods).astype(np.int64)
        return np.where(drawn < self.never, NEVER, found)


class Garbage:
    """The connections of one process that no thread finds any more."""

    __slots__ = ("_draws", "_entered", "_phases", "_searches", "_waiting")

    def __init__(self, searches: Searches, uniforms: Iterator[float]) -> None:
        self._searches = searches
        self._draws = uniforms
        self._phases = (next(uniforms) * searches.periods[0], next(uniforms) * searches.periods[1])
        self._waiting: list[tuple[int, int, Connection]] = []
        self._entered = count()

    def leave(self, connection: Connection, requests: int) -> None:
        """A thread has ended after so many requests of the process."""
        after = self._searches.after(requests, self._phases, next(self._draws))
        heappush(self._waiting, (after, next(self._entered), connection))

    def found(self, requests: int) -> Iterator[Connection]:
        """Those that are collected by now."""
        while self._waiting and self._waiting[0][0] <= requests:
            yield heappop(self._waiting)[2]


def _period(lags: Numbers) -> float:
    """What is left at any time before a regular search waits for half of its period, less half a request."""
    return 2 * float(lags.mean()) + 1 if len(lags) else 1.0

"""When Python's garbage collector closes the connections of threads that have ended.

CPython (3.9 to 3.13, `Modules/gcmodule.c`) keeps objects in three generations. It searches the youngest once in so many
allocations, and so once in about as many requests of the process, while one of them begins. That closes all connections
that have become garbage since the last search. One in `SEARCHES` of these searches the second generation as well. A
connection that is in use during a search, like that of the request that brings it about, moves to the second
generation; one that is in use during a search of the second moves on to the oldest. The oldest is searched when what
moved there is a quarter of it, which takes thousands of requests. A request that fails leaves more objects than others,
so that searches come sooner while PostgreSQL is full.

CPython counts the objects that are created, less those that go. So a search comes the sooner the more requests are
under way, and just when many are. What each adds was measured; else how many requests later single connections were
collected, from which follows how often the youngest generation is searched.
"""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from heapq import heappop, heappush
from itertools import count
from math import floor
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.garbage import SEARCHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadlab.fleet.engine.database import Connection
    from loadlab.model.fleet import Collector, Counts, Numbers, Spread

# A small site (Django 5.2, psycopg2, CPython 3.11) has 57,600 objects in the oldest generation, and 134 more with each
# search of the second, if requests come one at a time, in threads of their own. One in so many searches of the second
# is of the oldest as well.
FULL_SEARCHES: Final = 57_600 // 4 // 134
# The exception of a failed connect, its frames and what they refer to: 172 objects less 40 of a request that succeeds
# (Django 5.2, psycopg2 and CPython 3.11: gc.get_count() before and after a request in a thread of its own).
FAILURE_OBJECTS: Final = 132
FAILURE_SHARE: Final = FAILURE_OBJECTS / gc.get_threshold()[0]
LATE: Final = (1.5, 1.25)  # periods, within which the search of the youngest generation comes


class Searches:
    """How often the youngest generation is searched in a server mode: once in `period` requests of a process.

    What the collector counts tells, and all processes begin alike, so that their searches come together. Where it was
    not measured, the period follows from the measured lags, as what is left at any time waits for half a period, less
    half a request; searches come at random then. Where all lags are the same, they are a strategy's rule, and nothing
    is searched: `after` so many requests.
    """

    def __init__(self, spread: Spread) -> None:
        lags = spread.collected_after
        self.after = lags[0] if lags[0] == lags[-1] else None
        self._collector = spread.collector
        self.period = _period(lags) if spread.collector is None else _between(spread.collector)

    def garbage(self, uniforms: Iterator[float]) -> Garbage:
        """That of a new process."""
        if self.after is not None:
            return CountedGarbage(self.after)
        if self._collector is not None:
            return CountingGarbage(self._collector, uniforms)
        first, second = self.phases(np.array([[next(uniforms)], [next(uniforms)]]))
        return SearchedGarbage(self.period, float(first[0]), int(second[0]))

    def phases(self, drawn: Numbers) -> tuple[Numbers, Counts]:
        """Of processes: the request that searches first, and which search is the first of the second generation.

        `drawn` are random numbers up to 1, in two rows.
        """
        if self._collector is None:
            return 1 + drawn[0] * self.period, 1 + (drawn[1] * SEARCHES).astype(np.int64)
        first = 1 + max(0.0, 1 - self._collector.first - self._collector.busy) / self._collector.left
        return np.full(drawn.shape[1], first), np.full(drawn.shape[1], SEARCHES - self._collector.searches)

    def collected(self, own: Counts, begun: Counts, phases: tuple[Numbers, Counts]) -> Counts:
        """In which request of their processes the connections of many requests are collected.

        `own` are the numbers of their own requests in the process, and `begun` how many had begun at the ends of
        these. `phases` are of the process of each.
        """
        if self.after is not None:
            return begun + self.after
        first, second = phases
        before, until = self._searches(own - 1, first), self._searches(begun, first)
        seconds = _seconds(until, second)
        full = FULL_SEARCHES * (seconds // FULL_SEARCHES + 1)
        next_second = np.where(seconds > _seconds(before, second), full, seconds + 1)
        following = np.where(until == before, until + 1, second + SEARCHES * (next_second - 1))
        found: Counts = np.ceil(first + (following - 1) * self.period).astype(np.int64)
        return found

    def _searches(self, requests: Counts, first: Numbers) -> Counts:
        """How many there were until each request."""
        return np.maximum(np.floor((requests - first) / self.period).astype(np.int64) + 1, 0)


def _period(lags: tuple[int, ...]) -> float:
    known = np.asarray(lags, dtype=np.float64)
    # What waits for the second generation stands out once the period is about known.
    about = 2 * float(np.median(known)) + 1
    for late in LATE:
        about = 2 * float(known[known <= late * about].mean()) + 1
    return about


def _between(collector: Collector) -> float:
    """From one search to the next, while requests come one at a time: that of the search itself does not count."""
    return floor(max(0.0, 1 - collector.busy) / collector.left) + 2.0


def _seconds(searches: Counts, second: Counts) -> Counts:
    """How many of so many searches were of the second generation."""
    seconds: Counts = np.maximum((searches - second) // SEARCHES + 1, 0)
    return seconds


class Garbage(ABC):
    """The connections of one process that no thread finds any more."""

    @abstractmethod
    def mark(self) -> tuple[int, int]:
        """How often each generation was searched until now."""

    def before(self) -> Iterable[Connection]:
        """A request has begun that does not connect yet: what is collected then."""
        return ()

    @abstractmethod
    def begin(self, requests: int) -> Iterable[Connection]:
        """The process begins its so-manieth request, which connects: what is collected then."""

    @abstractmethod
    def failed(self) -> None:
        """A request failed with an exception."""

    @abstractmethod
    def ended(self) -> None:
        """A request is no longer under way."""

    @abstractmethod
    def leave(self, connection: Connection, requests: int) -> Iterable[Connection]:
        """A thread ends after so many requests of its process: what is collected at once."""


class SearchedGarbage(Garbage):
    """What the collector finds when it searches, once in `period` requests, from the number `first` on.

    The search with the number `second` is the first of the second generation.
    """

    def __init__(self, period: float, first: float, second: int) -> None:
        self._period = period
        self._failure = FAILURE_SHARE * period
        self._failures = 0.0
        self._next = first
        self._until_second = second
        self._searches = 0
        self._second_searches = 0
        self._young: list[Connection] = []
        self._second: list[Connection] = []
        self._oldest: list[Connection] = []

    def mark(self) -> tuple[int, int]:
        return self._searches, self._second_searches

    def begin(self, requests: int) -> Iterable[Connection]:
        found: list[Connection] = []
        while self._next <= requests + self._failures:
            self._next += self._period
            found += self._search()
        return found

    def failed(self) -> None:
        self._failures += self._failure

    def ended(self) -> None:
        """It counts requests that begin."""

    def leave(self, connection: Connection, requests: int) -> Iterable[Connection]:  # noqa: ARG002  a search comes later
        searches, second_searches = connection.mark
        if self._searches == searches:
            self._young.append(connection)
        elif self._second_searches == second_searches:
            self._second.append(connection)
        else:
            self._oldest.append(connection)
        return ()

    def _search(self) -> list[Connection]:
        self._searches += 1
        found, self._young = self._young, []
        self._until_second -= 1
        if not self._until_second:
            self._until_second = SEARCHES
            self._second_searches += 1
            found += self._second
            self._second = []
            if self._second_searches % FULL_SEARCHES == 0:
                found += self._oldest
                self._oldest = []
        return found


class CountingGarbage(SearchedGarbage):
    """What the collector finds when it searches as soon as it has counted enough.

    It counts what is created, less what goes: so searches come when many requests are under way at once, and find their
    connections in use. It begins to count again at 0, and never gets below. The request that brings a search about has
    a connection by then, or not yet: `uniforms` decide.
    """

    def __init__(self, collector: Collector, uniforms: Iterator[float]) -> None:
        super().__init__(1.0, 0.0, SEARCHES - collector.searches)
        self._counted = collector.first
        self._busy = collector.busy
        self._early = collector.early
        self._gone = collector.busy - collector.left
        self._counted_early = 0  # requests
        self._uniforms = uniforms

    def before(self) -> Iterable[Connection]:
        if self._counted + self._busy <= 1 or next(self._uniforms) >= self._early:
            return ()
        self._counted_early += 1
        self._counted = 0.0
        return self._search()

    def begin(self, requests: int) -> Iterable[Connection]:  # noqa: ARG002  those under way count
        if self._counted_early:
            self._counted_early -= 1
            return ()
        self._counted += self._busy
        if self._counted <= 1:
            return ()
        self._counted = 0.0
        return self._search()

    def failed(self) -> None:
        self._counted += FAILURE_SHARE

    def ended(self) -> None:
        self._counted = max(0.0, self._counted - self._gone)


class CountedGarbage(Garbage):
    """What closes a fixed number of requests later, as a strategy has it; with 0 at once."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._entered = count()
        self._waiting: list[tuple[int, int, Connection]] = []

    def mark(self) -> tuple[int, int]:
        return 0, 0

    def failed(self) -> None:
        """It has no part in this."""

    def ended(self) -> None:
        """Nor this."""

    def begin(self, requests: int) -> Iterable[Connection]:
        found = []
        while self._waiting and self._waiting[0][0] <= requests:
            found.append(heappop(self._waiting)[2])
        return found

    def leave(self, connection: Connection, requests: int) -> Iterable[Connection]:
        heappush(self._waiting, (requests + self._after, next(self._entered), connection))
        return self.begin(requests)

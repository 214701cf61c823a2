"""When Python's garbage collector closes the connections of threads that have ended.

CPython (3.9 to 3.13, `Modules/gcmodule.c`) keeps objects in three generations. It searches the youngest once in so many
allocations, and so once in about as many requests of the process, while one of them begins. That closes all connections
that have become garbage since the last search. One in `SEARCHES` of these searches the second generation as well. A
connection that is in use during a search, like that of the request that brings it about, moves to the second
generation; one that is in use during a search of the second moves on to the oldest. The oldest is searched when what
moved there is a quarter of it, which takes thousands of requests. A request that fails leaves more objects than others,
so that searches come sooner while PostgreSQL is full.

What was measured is how many requests later single connections were collected. From these lags follows how often the
youngest generation is searched; the rest is CPython's rule.
"""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.garbage import SEARCHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadlab.fleet.engine.database import Connection
    from loadlab.model.fleet import Counts, Numbers

# A small site (Django 5.2, psycopg2, CPython 3.11) has 57,600 objects in the oldest generation, and 134 more with each
# search of the second, if requests come one at a time, in threads of their own. One in so many searches of the second
# is of the oldest as well.
FULL_SEARCHES: Final = 57_600 // 4 // 134
# The exception of a failed connect, its frames and what they refer to: 172 objects less 40 of a request that succeeds
# (Django 5.2, psycopg2 and CPython 3.11: gc.get_count() before and after a request in a thread of its own).
FAILURE_OBJECTS: Final = 132
LATE: Final = (1.5, 1.25)  # periods, within which the search of the youngest generation comes


class Searches:
    """How often the youngest generation is searched in a server mode: once in `period` requests of a process.

    It follows from the measured `lags` (sorted), as what is left at any time waits for half a period, less half a
    request. The second generation is first searched in the request `second_search`; all processes begin alike, so this
    comes for all of them together. Where it is not known, it comes at random. Where all lags are the same, they are a
    strategy's rule, and nothing is searched: `after` so many requests.
    """

    def __init__(self, lags: tuple[int, ...], second_search: float | None = None) -> None:
        self._second_search = second_search
        self.after = lags[0] if lags[0] == lags[-1] else None
        known = np.asarray(lags, dtype=np.float64)
        # What waits for the second generation stands out once the period is about known.
        about = 2 * float(np.median(known)) + 1
        for late in LATE:
            about = 2 * float(known[known <= late * about].mean()) + 1
        self.period = about

    def garbage(self, uniforms: Iterator[float]) -> Garbage:
        """That of a new process."""
        if self.after is not None:
            return CountedGarbage(self.after)
        first, second = self.phases(np.array([[next(uniforms)], [next(uniforms)]]))
        return SearchedGarbage(self.period, float(first[0]), int(second[0]))

    def phases(self, drawn: Numbers) -> tuple[Numbers, Counts]:
        """Of processes: the request that searches first, and which search is the first of the second generation.

        `drawn` are random numbers up to 1, in two rows.
        """
        first = 1 + drawn[0] * self.period
        if self._second_search is None:
            return first, 1 + (drawn[1] * SEARCHES).astype(np.int64)
        return first, 1 + np.maximum(np.rint((self._second_search - first) / self.period), 0).astype(np.int64)

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


def _seconds(searches: Counts, second: Counts) -> Counts:
    """How many of so many searches were of the second generation."""
    seconds: Counts = np.maximum((searches - second) // SEARCHES + 1, 0)
    return seconds


class Garbage(ABC):
    """The connections of one process that no thread finds any more."""

    @abstractmethod
    def mark(self) -> tuple[int, int]:
        """How often each generation was searched until now."""

    @abstractmethod
    def begin(self, requests: int) -> Iterable[Connection]:
        """The process begins its so-manieth request: what is collected then."""

    @abstractmethod
    def failed(self) -> None:
        """A request failed with an exception."""

    @abstractmethod
    def leave(self, connection: Connection, requests: int) -> Iterable[Connection]:
        """A thread ends after so many requests of its process: what is collected at once."""


class SearchedGarbage(Garbage):
    """What the collector finds when it searches, once in `period` requests, from the number `first` on.

    The search with the number `second` is the first of the second generation.
    """

    def __init__(self, period: float, first: float, second: int) -> None:
        self._period = period
        self._failure = FAILURE_OBJECTS / gc.get_threshold()[0] * period
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

    def begin(self, requests: int) -> Iterable[Connection]:
        found = []
        while self._waiting and self._waiting[0][0] <= requests:
            found.append(heappop(self._waiting)[2])
        return found

    def leave(self, connection: Connection, requests: int) -> Iterable[Connection]:
        heappush(self._waiting, (requests + self._after, next(self._entered), connection))
        return self.begin(requests)

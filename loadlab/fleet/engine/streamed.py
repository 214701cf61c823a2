"""Connections that threads keep, where each thread's uses are known: one event for each opening.

It differs from `kept` in that nothing has to be assumed of the uses: the next one that finds its connection too old is
looked up.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadlab.fleet.engine.counting import RequestOutcomes
    from loadlab.fleet.engine.sessions import SessionTally
    from loadlab.fleet.engine.streams import Streams
    from loadlab.fleet.engine.uses import Holds
    from loadlab.model.fleet import Counts, Keeping, Numbers, Scene

    Truths = NDArray[np.bool_]


class StreamedConnections:
    """All threads, each at its next opening. It runs once, and counts what was reused and what failed."""

    def __init__(  # noqa: PLR0913, PLR0917  what a simulation is made of
        self,
        keeping: Keeping,
        scene: Scene,
        uses: Streams,
        holds: Holds,
        sessions: SessionTally,
        counts: RequestOutcomes,
    ) -> None:
        self._age = inf if keeping.max_age is None else keeping.max_age
        self._checks_at_end = keeping.checks_at_end
        self._cause = "expired" if self._age or not keeping.checks_at_end else "request_end"
        self._health_checks = keeping.health_checks
        idle = keeping.conditions_in(scene).idle_seconds
        self._idle_seconds = inf if idle is None else idle
        self._outages = scene.outages
        self._uses = uses
        self._holds = holds
        self._sessions = sessions
        self._apart = scene.rates.seconds + float(uses.ends.max(initial=0.0)) + 1.0
        self._thread = thread = uses.member
        self._keys = uses.starts + thread * self._apart
        self._idle_after = self._long_gaps()
        self._counts = counts

    def run(self) -> None:
        first = self._uses.first
        places = first[:-1][np.diff(first) > 0]
        while len(places):
            places = self._open(self._reachable(places))

    def _reachable(self, places: Counts) -> Counts:
        """The first use of each thread that can connect; those before fail."""
        for outage in sorted(self._outages, key=lambda each: each.start):
            starts, hosts = self._uses.starts[places], self._uses.hosts[self._thread[places]]
            out = (starts >= outage.start) & (starts < outage.end) & (hosts >= outage.first) & (hosts < outage.last)
            after = self._first_use(self._thread[places[out]], np.full(np.count_nonzero(out), outage.end))
            self._counts.failed += int((after - places[out]).sum())
            going = np.ones(len(places), dtype=bool)
            going[out] = after < self._uses.first[self._thread[places[out]] + 1]
            places = places.copy()
            places[out] = after
            places = places[going]
        return places

    def _open(self, places: Counts) -> Counts:
        """These uses open a connection; gives the use with which each thread opens its next."""
        uses, thread = self._uses, self._thread[places]
        stop = uses.first[thread + 1]
        opens = uses.starts[places]
        usable = uses.ends[places] + (self._holds.connecting(len(places)) if self._age else 0.0)
        expires = opens + self._age
        follows = np.maximum(self._first_use(thread, expires), places + 1)
        ended = np.where(follows == places + 1, usable, uses.ends[follows - 1])
        at_end = (ended >= expires) & self._checks_at_end
        closes = np.where(at_end, ended, self._start_of(follows, stop))
        lost = self._lost(places, opens, thread)
        closes, follows = self._lose(places, follows, expires, (closes, lost))
        self._sessions.open(opens)
        self._close(opens, closes, lost, thread)
        return follows[follows < stop]

    def _first_use(self, thread: Counts, times: Numbers) -> Counts:
        """The first use of each thread at or after a time; the next thread's first one where none is."""
        times = np.minimum(times, self._apart - 0.5)
        return np.searchsorted(self._keys, times + thread * self._apart)

    def _start_of(self, places: Counts, stop: Counts) -> Numbers:
        there = places < stop
        found = np.full(len(places), inf)
        found[there] = self._uses.starts[places[there]]
        return found

    def _lose(
        self, places: Counts, follows: Counts, expires: Numbers, times: tuple[Numbers, Numbers]
    ) -> tuple[Numbers, Counts]:
        """When each closes, if it is not lost before, and which use opens the next; counts the uses between."""
        closes, lost = times
        early = np.flatnonzero(lost < closes)
        thread = self._thread[places[early]]
        finds = np.maximum(self._first_use(thread, lost[early]), places[early] + 1)
        under_way = self._uses.ends[finds - 1] > lost[early]
        self._counts.failed += int(np.count_nonzero(under_way))
        follows[early] = finds
        self._counts.reused += int((follows - places - 1).sum()) - int(
            np.count_nonzero(under_way & (finds > places[early] + 1))
        )
        found = self._start_of(finds, self._uses.first[thread + 1])
        fails = ~under_way & (found < expires[early]) & (not self._health_checks)
        self._counts.failed += int(np.count_nonzero(fails))
        follows[early[fails]] += 1
        return np.minimum(closes, lost), follows

    def _lost(self, places: Counts, opens: Numbers, thread: Counts) -> Numbers:
        """When each connection is lost, if it is still there; inf if never."""
        lost = np.full(len(places), inf)
        if self._idle_seconds < inf:
            lost = self._uses.ends[self._idle_after[places]] + self._idle_seconds
        for outage in self._outages:
            hosts = self._uses.hosts[thread]
            there = (opens < outage.start) & (hosts >= outage.first) & (hosts < outage.last)
            lost[there] = np.minimum(lost[there], outage.start)
        return lost

    def _close(self, opens: Numbers, closes: Numbers, lost: Numbers, thread: Counts) -> None:
        gone = self._uses.gone[thread]
        with_process = closes > gone
        away = ~with_process & (lost <= closes) & (lost < inf)
        expired = ~with_process & ~away
        self._sessions.close(gone[with_process], opens[with_process], "process_end")
        self._sessions.close(closes[away], opens[away], "lost")
        self._sessions.close(closes[expired], opens[expired], self._cause)

    def _long_gaps(self) -> Counts:
        """The first use from each one on after which its thread is idle for too long, or for ever."""
        uses, count = self._uses, len(self._uses.starts)
        following = np.append(uses.starts[1:], inf)
        following[uses.first[1:][np.diff(uses.first) > 0] - 1] = inf
        long = following - uses.ends > self._idle_seconds
        places = np.where(long | np.isinf(following), np.arange(count), count)
        found: Counts = np.minimum.accumulate(places[::-1])[::-1]
        return found

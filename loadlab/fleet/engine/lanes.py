"""Deals out many requests at once: which process takes each, and which of its threads serves it.

A long row of requests is cut into lanes of as many requests, and all lanes take their next request together. A lane
begins with the last requests of the one before it, to know what is under way. It does not know which members the one
before has left idle for how long, but it does not have to: the rules look at who has been idle longest, and not at who
it is. So a lane numbers its members by how long they have been idle, and the lanes are put together afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadlab.model.fleet import Counts, Dispatch, Numbers

    Truths = NDArray[np.bool_]

LANES: Final = 768  # wide enough that numpy does most of the work
SHORTEST: Final = 128  # requests of a lane
OVERLAP: Final = 64  # requests of the lane before with which one begins
_LONG_AGO: Final = -1e15


@dataclass(frozen=True, kw_only=True, slots=True)
class Lanes:
    """Rows of requests, cut into lanes: `places` are those of the requests, -1 beyond a row's beginning and end.

    `places` has a row for each step and a column for each lane; the first steps are those of the lane before. `begins`
    is true for lanes at the start of a row.
    """

    places: Counts
    begins: Truths

    def of(self, values: Numbers, beyond: float) -> Numbers:
        found: Numbers = np.where(self.places < 0, beyond, values[self.places])
        return found

    def back(self, in_lanes: Numbers, count: int) -> Numbers:
        found = np.zeros(count)
        places = self.places[OVERLAP:]
        there = places >= 0
        found[places[there]] = in_lanes[OVERLAP:][there]
        return found


def cut(lengths: Counts) -> Lanes:
    """Lanes of rows of such lengths, which lie one after the other."""
    steps = max(SHORTEST, -(-int(lengths.sum()) // LANES))
    per_row = -(-lengths // steps)
    starts = np.cumsum(lengths) - lengths
    row = np.repeat(np.arange(len(lengths)), per_row)
    number = np.arange(len(row)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
    places = starts[row] + number * steps + np.arange(-OVERLAP, steps)[:, None]
    places[(places < starts[row]) | (places >= (starts + lengths)[row])] = -1
    return Lanes(places=places, begins=number == 0)


class Chooser:
    """Chooses one of several members by the rules of a dispatch, in each lane. The first dimension is the members'."""

    def __init__(self, dispatch: Dispatch, random: np.random.Generator) -> None:
        self._random = random
        self._limits = np.cumsum([dispatch.recent, dispatch.longest_idle, dispatch.random])
        self._only = next((rule for rule in ("recent", "longest_idle", "random", "fixed") if _only(dispatch, rule)), "")

    def choose(self, idle: Truths, since: Numbers) -> Counts:
        """`since` is when each member was last busy."""
        key = self._keys(since)
        key[~idle] = -np.inf
        chosen: Counts = key.argmax(axis=0)
        return chosen

    def _keys(self, since: Numbers) -> Numbers:
        """The member with the highest key is chosen."""
        if self._only == "recent":
            return since.copy()
        if self._only == "longest_idle":
            return -since
        if self._only == "random":
            return self._random.random(since.shape)
        number = np.broadcast_to(-np.arange(float(len(since)))[:, None], since.shape)
        if self._only == "fixed":
            return number.copy()
        drawn = self._random.random(since.shape[1])
        recent, longest_idle, anyone = self._limits
        rest = np.where(drawn < anyone, self._random.random(since.shape), number)
        keys: Numbers = np.where(drawn < recent, since, np.where(drawn < longest_idle, -since, rest))
        return keys


def _only(dispatch: Dispatch, rule: str) -> bool:
    share: float = getattr(dispatch, rule)
    return share >= 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """Of each request: the process that takes it, when, and how many threads are busy in it then, with this one's."""

    process: Counts
    starts: Numbers
    busy: Counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Requests of one process after the other, each in the order in which they start; `started` threads are there."""

    starts: Numbers
    ends: Numbers
    started: Counts
    lengths: Counts


def deal_to_processes(  # noqa: PLR0913  what comes to hosts, and what hosts are
    arrivals: Numbers,
    lasting: Numbers,
    lengths: Counts,
    *,
    processes: int,
    threads: int,
    dispatch: Dispatch,
    random: np.random.Generator,
) -> Taken:
    """Each row of `lengths` is a host that starts anew. Where all its threads are busy, requests wait for the first."""
    lanes = cut(lengths)
    chooser, keep = Chooser(dispatch, random), dispatch.fixed > 0
    come, last = lanes.of(arrivals, np.inf), lanes.of(lasting, 0.0)
    width = come.shape[1]
    lane = np.arange(width)
    ends = np.full((threads, processes, width), _LONG_AGO)
    taken = _never_busy(processes, lanes, keep=keep)
    found = np.zeros((3, *come.shape))
    for step, (came, lasts) in enumerate(zip(come, last, strict=True)):
        if step == OVERLAP and not keep:
            order = np.maximum(taken, ends.max(axis=0)).argsort(axis=0)
            ends, taken = np.take_along_axis(ends, order[None], axis=1), np.take_along_axis(taken, order, axis=0)
        starts = np.maximum(came, ends.min(axis=(0, 1)))
        idle = ends <= starts
        busy = threads - np.count_nonzero(idle, axis=0)
        ended = np.where(idle, ends, _LONG_AGO).max(axis=0)
        chosen = chooser.choose(busy < threads, np.maximum(ended, taken))
        slot = ends[:, chosen, lane].argmin(axis=0)
        real = np.isfinite(came)
        ends[slot[real], chosen[real], lane[real]] = (starts + lasts)[real]
        taken[chosen[real], lane[real]] = starts[real]
        found[:, step] = chosen, starts, busy[chosen, lane] + 1
    order = np.maximum(taken, ends.max(axis=0)).argsort(axis=0)
    members = _put_together(lanes, order, keep=keep)
    process, starts, busy = _back(lanes, len(arrivals), members, found)
    return Taken(process=process.astype(np.int64), starts=starts, busy=busy.astype(np.int64))


def deal_to_threads(rows: Rows, threads: int, dispatch: Dispatch, random: np.random.Generator) -> Counts:
    """Which of its process's threads serves each request."""
    lanes = cut(rows.lengths)
    chooser, keep = Chooser(dispatch, random), dispatch.fixed > 0
    begin, end = lanes.of(rows.starts, np.inf), lanes.of(rows.ends, np.inf)
    there = lanes.of(rows.started.astype(np.float64), 0.0)
    width = begin.shape[1]
    lane = np.arange(width)
    number = np.arange(threads)[:, None]
    until = _never_busy(threads, lanes, keep=keep)
    found = np.zeros(begin.shape)
    most = np.zeros(width)
    for step, (starting, ending, there_now) in enumerate(zip(begin, end, there, strict=True)):
        if step == OVERLAP and not keep:
            until = np.take_along_axis(until, _longest_idle(until, most), axis=0)
        real = np.isfinite(starting)
        most = np.where(real, there_now, most)
        idle = (until <= starting) & (number < there_now)
        chosen = chooser.choose(idle, until)
        none = ~idle.any(axis=0)
        chosen[none] = until[:, none].argmin(axis=0)
        until[chosen[real], lane[real]] = ending[real]
        found[step] = chosen
    members = _put_together(lanes, _longest_idle(until, most), keep=keep)
    return _back(lanes, len(rows.starts), members, found[None])[0].astype(np.int64)


def _longest_idle(until: Numbers, started: Numbers) -> Counts:
    """Threads, the one that is idle longest first; those that have not started follow, in order."""
    number = np.arange(len(until))[:, None]
    order: Counts = np.where(number < started, until, np.inf).argsort(axis=0, kind="stable")
    return order


def _never_busy(members: int, lanes: Lanes, *, keep: bool) -> Numbers:
    """Since when members are idle that were not busy yet: as a server has them at first, or as lanes number them.

    Where the first ones are preferred, lanes that go on expect these to have been busy last.
    """
    order = np.repeat(np.arange(float(members))[:, None], len(lanes.begins), axis=1)
    if keep:
        order[:, ~lanes.begins] = order[::-1, ~lanes.begins]
    return _LONG_AGO + order


def _put_together(lanes: Lanes, order: Counts, *, keep: bool) -> Counts:
    """Who each lane's members are. `order` are those of each at its end, the one that is idle longest first."""
    members = np.repeat(np.arange(len(order))[:, None], order.shape[1], axis=1)
    if not keep:
        for lane in np.flatnonzero(~lanes.begins).tolist():
            members[:, lane] = members[order[:, lane - 1], lane - 1]
    return members


def _back(lanes: Lanes, count: int, members: Counts, found: Numbers) -> list[Numbers]:
    """What was found in the lanes, in the order of the requests; the first of it are members."""
    chosen = members[found[0].astype(np.int64), np.arange(members.shape[1])]
    return [lanes.back(in_lanes, count) for in_lanes in (chosen.astype(np.float64), *found[1:])]

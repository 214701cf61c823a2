"""Deals out many requests at once: which process takes each, and which of its threads serves it.

A long row of requests is cut into lanes of as many requests, and all lanes take their next request together. A lane
begins with the last requests of the one before it, to know what is under way. It does not know which members the one
before has left idle for how long, but it does not have to: the rules look at who has been idle longest, and not at who
it is. So a lane numbers its members by how long they have been idle, and the lanes are put together afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadlab.model.fleet import Counts, Dispatch, Numbers

    Truths = NDArray[np.bool_]
    Wholes = NDArray[np.integer[Any]]  # of any width: there is one for each request

LANES: Final = 768  # wide enough that numpy does most of the work
SHORTEST: Final = 128  # requests of a lane
OVERLAP: Final = 64  # requests of the lane before with which one begins
_LONG_AGO: Final = -1e15


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestLanes:
    """Rows of requests, cut into lanes: the requests of each are from `first` to before `last`.

    It begins with some of the lane before, not before `earliest`. `begins` is true where a row begins.
    """

    first: Counts
    last: Counts
    earliest: Counts
    begins: Truths

    @property
    def steps(self) -> range:
        """Of all lanes together; those below 0 are of the lanes before."""
        return range(-OVERLAP, int((self.last - self.first).max(initial=0)))

    def at(self, step: int) -> Counts:
        """Which request each lane takes then; -1 where it takes none."""
        places = self.first + step
        places[(places < self.earliest) | (places >= self.last)] = -1
        return places

    def members(self, chosen: Wholes, members: Wholes) -> Wholes:
        """Who was chosen for each request, where `members` says who each lane's members are."""
        lane = np.repeat(np.arange(len(self.first), dtype=np.int32), self.last - self.first)
        return members[chosen, lane]


def cut(lengths: Counts) -> RequestLanes:
    """Lanes of rows of such lengths, which lie one after the other."""
    steps = max(SHORTEST, -(-int(lengths.sum()) // LANES))
    per_row = -(-lengths // steps)
    starts = np.cumsum(lengths) - lengths
    row = np.repeat(np.arange(len(lengths)), per_row)
    number = np.arange(len(row)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
    first = starts[row] + number * steps
    last = np.minimum(first + steps, (starts + lengths)[row])
    return RequestLanes(first=first, last=last, earliest=starts[row], begins=number == 0)


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

    process: Wholes
    starts: Numbers
    busy: Wholes


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Requests of one process after the other, each in the order in which they start; `started` threads are there."""

    starts: Numbers
    ends: Numbers
    started: Wholes
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
    width, lane = len(lanes.first), np.arange(len(lanes.first))
    ends = np.full((threads, processes, width), _LONG_AGO)
    taken = _never_busy(processes, lanes, keep=keep)
    # The last place of these is for lanes that take no request at a step.
    came, lasts = np.append(arrivals, np.inf), np.append(lasting, 0.0)
    process, begun, at_once = np.zeros(len(came), dtype=np.int16), came.copy(), np.zeros(len(came), dtype=np.int16)
    for step in lanes.steps:
        if step == 0 and not keep:
            order = np.maximum(taken, ends.max(axis=0)).argsort(axis=0)
            ends, taken = np.take_along_axis(ends, order[None], axis=1), np.take_along_axis(taken, order, axis=0)
        here = lanes.at(step)
        starts = np.maximum(came[here], ends.min(axis=(0, 1)))
        idle = ends <= starts
        busy = threads - np.count_nonzero(idle, axis=0)
        ended = np.where(idle, ends, _LONG_AGO).max(axis=0)
        chosen = chooser.choose(busy < threads, np.maximum(ended, taken))
        slot = ends[:, chosen, lane].argmin(axis=0)
        real = here >= 0
        ends[slot[real], chosen[real], lane[real]] = (starts + lasts[here])[real]
        taken[chosen[real], lane[real]] = starts[real]
        if step >= 0:
            process[here], begun[here], at_once[here] = chosen, starts, busy[chosen, lane] + 1
    order = np.maximum(taken, ends.max(axis=0)).argsort(axis=0)
    members = _put_together(lanes, order, keep=keep)
    return Taken(process=lanes.members(process[:-1], members), starts=begun[:-1], busy=at_once[:-1])


def deal_to_threads(rows: Rows, threads: int, dispatch: Dispatch, random: np.random.Generator) -> Wholes:
    """Which of its process's threads serves each request."""
    lanes = cut(rows.lengths)
    chooser, keep = Chooser(dispatch, random), dispatch.fixed > 0
    lane, number = np.arange(len(lanes.first)), np.arange(threads)[:, None]
    until = _never_busy(threads, lanes, keep=keep)
    started: Wholes = np.zeros(len(lane), dtype=rows.started.dtype)
    thread = np.zeros(len(rows.starts) + 1, dtype=np.int16)
    for step in lanes.steps:
        if step == 0 and not keep:
            until = np.take_along_axis(until, _longest_idle(until, started), axis=0)
        here = lanes.at(step)
        real = here >= 0
        started = np.where(real, rows.started[here], started)
        idle = (until <= rows.starts[here]) & (number < started)
        chosen = chooser.choose(idle, until)
        none = ~idle.any(axis=0)
        chosen[none] = until[:, none].argmin(axis=0)
        until[chosen[real], lane[real]] = rows.ends[here[real]]
        if step >= 0:
            thread[here] = chosen
    members = _put_together(lanes, _longest_idle(until, started), keep=keep)
    return lanes.members(thread[:-1], members)


def _longest_idle(until: Numbers, started: Wholes) -> Counts:
    """Threads, the one that is idle longest first; those that have not started follow, in order."""
    number = np.arange(len(until))[:, None]
    order: Counts = np.where(number < started, until, np.inf).argsort(axis=0, kind="stable")
    return order


def _never_busy(members: int, lanes: RequestLanes, *, keep: bool) -> Numbers:
    """Since when members are idle that were not busy yet: as a server has them at first, or as lanes number them.

    Where the first ones are preferred, lanes that go on expect these to have been busy last.
    """
    order = np.repeat(np.arange(float(members))[:, None], len(lanes.begins), axis=1)
    if keep:
        order[:, ~lanes.begins] = order[::-1, ~lanes.begins]
    return _LONG_AGO + order


def _put_together(lanes: RequestLanes, order: Counts, *, keep: bool) -> Wholes:
    """Who each lane's members are. `order` are those of each at its end, the one that is idle longest first."""
    members = np.repeat(np.arange(len(order), dtype=np.int16)[:, None], order.shape[1], axis=1)
    if not keep:
        for lane in np.flatnonzero(~lanes.begins).tolist():
            members[:, lane] = members[order[:, lane - 1], lane - 1]
    return members

"""Hands out the arrivals of an open load, and tells for each request when it was due and when it was sent."""

from __future__ import annotations

import random
import time
from array import array
from collections import defaultdict
from contextvars import ContextVar
from math import isnan, nan
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import gevent
from gevent.event import AsyncResult

from loadlab.load.locust_plugins.alarm import Alarm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenlet import greenlet
    from locust import User

AT_ONCE: Final = 32  # overdue arrivals that are handed out before others may run
POLL_SECONDS: Final = 0.005


class Arrival:
    """A task that is due: `due` and `began` on the monotonic clock; `first` tells its first request from the others."""

    __slots__ = ("began", "due", "first")

    def __init__(self, due: float) -> None:
        self.due = due
        self.began = nan
        self.first: tuple[float | None, float] | None = None


class Sending(NamedTuple):
    """When a request was due, or NaN if no arrival asked for it, and when it was sent: on the monotonic clock."""

    due: float
    sent: float


current_arrival: ContextVar[Arrival | None] = ContextVar("current_arrival", default=None)


def arrival_of(task: greenlet) -> Arrival | None:
    """What a greenlet that is not running now was started for, or the greenlet that spawned it."""
    context = task.gr_context
    return context.get(current_arrival) if context is not None else None


def sending(now: float, service_seconds: float, start_time: float | None) -> Sending:
    """Of the request that Locust reports at this moment in this greenlet.

    The first request of a task was due when the task was; the following ones wait for it, as a visitor would.
    `start_time` is Locust's, on the clock of the wall: a step of that clock can move the result only between the start
    of the task and the latest moment at which the request can have been sent. Several listeners may ask.
    """
    latest = now - service_seconds
    arrival = current_arrival.get()
    if arrival is None:
        return Sending(nan, latest)
    sent = latest if start_time is None else min(max(now - (time.time() - start_time), arrival.began), latest)
    request = (start_time, service_seconds)
    if arrival.first is None:
        arrival.first = request
    return Sending(arrival.due if arrival.first == request else nan, sent)


def response_seconds(service_seconds: float, start_time: float | None) -> float:
    """How long the request took that Locust reports at this moment: under an open load, from when it was due."""
    if current_arrival.get() is None:
        return service_seconds
    due, sent = sending(time.monotonic(), service_seconds, start_time)
    return service_seconds if isnan(due) else service_seconds + (sent - due)


class Pacer:
    """Hands arrivals to users who wait for one; the one who has waited least comes first, as in a client's pool."""

    def __init__(self, instants: Iterable[float], seed: int) -> None:
        """`instants` are seconds since the origin that `run` is given, in order."""
        self.dropped = array("d")
        self.under_way: set[Arrival] = set()
        self.given = 0
        self._instants = instants
        self._chance = random.Random(seed)
        self._seats: list[type[User]] = []
        self._waiting: defaultdict[type[User], list[AsyncResult[Arrival]]] = defaultdict(list)

    @property
    def seats(self) -> int:
        """How many users take part."""
        return len(self._seats)

    def join(self, kind: type[User]) -> None:
        self._seats.append(kind)

    def leave(self, kind: type[User]) -> None:
        self._seats.remove(kind)

    def next_arrival(self, kind: type[User]) -> Arrival:
        """Wait until there is something to do for a user of this kind."""
        turn: AsyncResult[Arrival] = AsyncResult()
        waiting = self._waiting[kind]
        waiting.append(turn)
        try:
            return cast("Arrival", turn.get())
        finally:
            if turn in waiting:  # the user is stopped while it waits
                waiting.remove(turn)

    def done(self, arrival: Arrival) -> None:
        self.under_way.discard(arrival)

    def run(self, origin: float, seconds: float) -> None:
        """Hand out all arrivals that are due within so many `seconds` of the monotonic instant `origin`."""
        alarm = Alarm()
        overdue = 0
        try:
            for instant in self._instants:
                if instant >= seconds:
                    return
                due = origin + instant
                if due > time.monotonic():
                    alarm.wait_until(due)
                    overdue = 0
                else:
                    overdue += 1
                    if overdue % AT_ONCE == 0:
                        gevent.sleep(0)
                self._give(due, instant)
        finally:
            alarm.close()

    def _give(self, due: float, instant: float) -> None:
        waiting = self._waiting[self._kind()] if self._seats else []
        if not waiting:
            self.dropped.append(instant)
            return
        arrival = Arrival(due)
        self.given += 1
        self.under_way.add(arrival)
        waiting.pop().set(arrival)

    def _kind(self) -> type[User]:
        """Which class is next: as often as it has users, and Locust gives it those by its weight."""
        return self._seats[0] if len(self._waiting) == 1 else self._chance.choice(self._seats)

    def drain(self, patience_seconds: float) -> list[Arrival]:
        """Wait for the tasks that are under way; returns those whose first request is not answered in that time."""
        deadline = time.monotonic() + patience_seconds
        while self.under_way and time.monotonic() < deadline:
            gevent.sleep(POLL_SECONDS)
        return [arrival for arrival in self.under_way if arrival.first is None]

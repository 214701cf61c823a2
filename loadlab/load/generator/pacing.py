"""Open load for any Locust user: tasks start when they are due, whether or not earlier ones have ended.

In a locustfile of your own, put `Open` in front and say how many tasks a second are to start:

    class Visitor(Open, FastHttpUser):
        rate = 200
        arrivals = "poisson"

`--users` is then the most tasks that may be under way at once; what is due beyond that is dropped, and counted.
"""

from __future__ import annotations

import logging
import random
import time
import traceback
from array import array
from collections import defaultdict
from contextvars import ContextVar
from math import isnan, nan
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple, cast

import gevent
from gevent.event import AsyncResult
from locust import User
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser
from locust.runners import WorkerRunner
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING, DefaultTaskSet

from loadlab.load.generator.alarm import Alarm
from loadlab.load.generator.arrivals import arrivals
from loadlab.model.condition import OpenLoad

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenlet import greenlet

AT_ONCE: Final = 32  # overdue arrivals that are handed out before others may run
POLL_SECONDS: Final = 0.005
STOPPED: Final = (gevent.GreenletExit, StopUser, StopTest)
TASK_SET_LEFT: Final = (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately)

_log = logging.getLogger(__name__)


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


_under_way: ContextVar[Arrival | None] = ContextVar("under_way", default=None)


def arrival_of(task: greenlet) -> Arrival | None:
    """What a greenlet that is not running now was started for, or the greenlet that spawned it."""
    context = task.gr_context
    return context.get(_under_way) if context is not None else None


def sending(now: float, service_seconds: float, start_time: float | None) -> Sending:
    """Of the request that Locust reports at this moment in this greenlet.

    The first request of a task was due when the task was; the following ones wait for it, as a visitor would.
    `start_time` is Locust's, on the clock of the wall: a step of that clock can move the result only between the start
    of the task and the latest moment at which the request can have been sent. Several listeners may ask.
    """
    latest = now - service_seconds
    arrival = _under_way.get()
    if arrival is None:
        return Sending(nan, latest)
    sent = latest if start_time is None else min(max(now - (time.time() - start_time), arrival.began), latest)
    request = (start_time, service_seconds)
    if arrival.first is None:
        arrival.first = request
    return Sending(arrival.due if arrival.first == request else nan, sent)


def response_seconds(service_seconds: float, start_time: float | None) -> float:
    """How long the request took that Locust reports at this moment: under an open load, from when it was due."""
    if _under_way.get() is None:
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


class Open(User):
    """Runs one task for each arrival, and nothing in between: a `wait_time` has no say.

    A task that is a task set runs until it interrupts itself, with its own pauses. What `on_start` requests is not on
    the schedule. Over several Locust processes each sends its share, if the master is told how many they are
    (`--expect-workers`, `--processes`).
    """

    abstract = True

    rate: float = 1.0
    """Tasks a second, together for all users of this class."""

    arrivals: Literal["poisson", "uniform"] = "poisson"
    """Poisson: as many visitors who know nothing of each other. Uniform: at equal distances."""

    seed: int = 2013
    """The same seed gives the same instants."""

    pacer: ClassVar[Pacer | None] = None

    # Final in Locust, but there is no other way to start a task when it is due.
    def run(self) -> None:  # type: ignore[misc]
        self._state = LOCUST_STATE_RUNNING
        self._taskset_instance = DefaultTaskSet(self)
        try:
            self._say_hello()
            self._serve(type(self).pacer or _pacer_of(self))
        except STOPPED:
            self.on_stop()  # type: ignore[no-untyped-call]

    def _say_hello(self) -> None:
        """As Locust does it."""
        try:
            self.on_start()
        except Exception as error:
            if not isinstance(error, STOPPED):
                self._report(error)
            raise

    def _serve(self, pacer: Pacer) -> None:
        kind = type(self)
        pacer.join(kind)
        try:
            while self._state != LOCUST_STATE_STOPPING:
                self._state = LOCUST_STATE_WAITING
                arrival = pacer.next_arrival(kind)
                self._state = LOCUST_STATE_RUNNING
                try:
                    self._take(arrival)
                finally:
                    pacer.done(arrival)
        finally:
            pacer.leave(kind)
        raise StopUser

    def _take(self, arrival: Arrival) -> None:
        tasks: Any = self._taskset_instance
        arrival.began = time.monotonic()
        _under_way.set(arrival)
        try:
            tasks.execute_task(tasks.get_next_task())
        except TASK_SET_LEFT:
            pass
        except STOPPED:
            raise
        except Exception as error:
            self._report(error)
            if not self.environment.catch_exceptions:
                raise
        finally:
            _under_way.set(None)

    def _report(self, error: Exception) -> None:
        fire: Any = self.environment.events.user_error.fire
        fire(user_instance=self, exception=error, tb=error.__traceback__)
        _log.error("%s\n%s", error, traceback.format_exc())


def opened(user: type[User], pacer: Pacer) -> type[User]:
    """A user class of somebody's own, paced by `pacer`."""
    return type(user.__name__, (Open, user), {"__module__": user.__module__, "pacer": pacer})


def _pacer_of(user: Open) -> Pacer:
    """The pacer of a class in a Locust of its own; made and started for its first user, ended with the test."""
    kind, environment = type(user), user.environment
    runner = environment.runner
    first, step = 0, 1
    if isinstance(runner, WorkerRunner):
        first, step = runner.worker_index, max(1, environment.parsed_options.expect_workers)
    load = OpenLoad(rate=kind.rate, arrivals=kind.arrivals)
    kind.pacer = pacer = Pacer(arrivals(load, kind.seed, first=first, step=step), kind.seed)
    sending_all = gevent.spawn(pacer.run, time.monotonic(), float("inf"))

    def end(**_: object) -> None:
        sending_all.kill(block=False)
        kind.pacer = None
        environment.events.test_stop.remove_listener(end)
        if pacer.dropped:
            due = pacer.given + len(pacer.dropped)
            _log.warning(
                "%s: %d of %d tasks were dropped, because all users were at work. Say more --users, or a lower rate.",
                kind.__name__,
                len(pacer.dropped),
                due,
            )

    environment.events.test_stop.add_listener(end)
    return pacer

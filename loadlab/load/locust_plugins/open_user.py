"""An open load model for any Locust user: tasks start when they are due, whether or not earlier ones have ended.

In your own Locust file, put `Open` first among the base classes and set how many tasks start per second:

    class Visitor(Open, FastHttpUser):
        rate = 200
        arrivals = "poisson"

`--users` then limits the concurrent tasks. A task that is due beyond that limit is dropped and counted.
"""

from __future__ import annotations

import logging
import time
import traceback
from typing import Any, ClassVar, Final, Literal

import gevent
from locust import User
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser
from locust.runners import WorkerRunner
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING, DefaultTaskSet

from loadlab.load.locust_plugins.arrivals import arrivals
from loadlab.load.locust_plugins.pacing import Arrival, Pacer, current_arrival
from loadlab.model.condition import OpenLoad

STOPPED: Final = (gevent.GreenletExit, StopUser, StopTest)
TASK_SET_LEFT: Final = (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately)

_log = logging.getLogger(__name__)


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

    # Final in Locust, but nothing else starts a task when it is due.
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
        current_arrival.set(arrival)
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
            current_arrival.set(None)

    def _report(self, error: Exception) -> None:
        fire: Any = self.environment.events.user_error.fire
        fire(user_instance=self, exception=error, tb=error.__traceback__)
        _log.error("%s\n%s", error, traceback.format_exc())


def opened(user: type[User], pacer: Pacer) -> type[User]:
    """A user class of a Locust file, paced by `pacer`."""
    return type(user.__name__, (Open, user), {"__module__": user.__module__, "pacer": pacer})


def _pacer_of(user: Open) -> Pacer:
    """The pacer of a class in its own Locust; made and started for its first user, ended with the test."""
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

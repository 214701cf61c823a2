"""A load process monitors itself: whether it ran without pauses, and how many of its users were active."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Final

import gevent
from gevent.pool import Group

from loadlab.load.generator.active_users import ActiveUsers
from loadlab.load.generator.ticker import TICK_SECONDS, Ticker

if TYPE_CHECKING:
    from locust.event import Events
    from locust.runners import Runner

    from loadlab.load.generator.ticker import Pause
    from loadlab.model.window import Window

LOOK_EACH: Final = 5  # ticks


class SelfMonitor:
    """Samples a few times a second, so that a request costs nothing more."""

    def __init__(self) -> None:
        self._ticker = Ticker()
        self._active_users = ActiveUsers()
        self._users = Group()

    def listen(self, events: Events) -> None:
        """Learn the runner, which knows the users."""
        events.init.add_listener(self._meet)  # type: ignore[no-untyped-call]

    def run(self) -> None:
        for number in count():
            self._ticker.tick()
            if number % LOOK_EACH == 0:
                self._active_users.look(time.monotonic(), self._users)
            gevent.sleep(TICK_SECONDS)

    def seen(self, window: Window) -> tuple[Pause, float]:
        """The longest pause and the active users of a window of the monotonic clock."""
        self._ticker.tick()
        return self._ticker.longest(*window), self._active_users.at_least(window)

    def _meet(self, runner: Runner, **_: object) -> None:
        self._users = runner.user_greenlets

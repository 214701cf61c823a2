"""Closes connections whose thread or greenlet is gone, after Shai Berger's idea of 2013 to look who is still alive."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import AppConfig
from django.db import connections

from loadlab.fixes._closing import close_or_log
from loadlab.fixes._parameters import number, parameters
from loadlab.fixes._tracking import forget, gone, track, tracked
from loadlab.wrapping import WrapperMixin, put_in_front

if TYPE_CHECKING:
    from django.db.utils import ConnectionHandler


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepParameters:
    """`interval_seconds`: how long between two sweeps; 0 for one before each opening, and none in between."""

    interval_seconds: float = 0

    def __post_init__(self) -> None:
        if not number(self.interval_seconds, 0):
            raise ValueError(
                f"interval_seconds should be a number of seconds, or 0 for a sweep before each opening,"
                f" not {self.interval_seconds!r}"
            )


class ReapDeadThreads(AppConfig):
    name = "loadlab.fixes.reap_dead_threads"
    label = "loadlab_reap_dead_threads"
    verbose_name = "close database connections of dead threads"
    ends_leak_in = ("threaded", "gevent", "asgi")

    def ready(self) -> None:
        install(parameters("reap_dead_threads", SweepParameters))


def install(given: SweepParameters | None = None, handler: ConnectionHandler = connections) -> None:
    """Sweep as `given` says, for the connections that `handler` opens from now on."""
    given = given or SweepParameters()
    track(handler)
    if given.interval_seconds:
        SweeperMixin.interval_seconds = given.interval_seconds
        put_in_front(SweeperMixin, handler)
    else:
        put_in_front(SweepingMixin, handler)


def sweep() -> None:
    """Close the connections of dead threads."""
    for wrapper, owner in tracked().items():
        # The thread that takes it out closes it: two threads may sweep at once. One that is shared on purpose may
        # be in use elsewhere.
        if gone(owner) and forget(wrapper) and not wrapper.allow_thread_sharing:
            close_or_log(wrapper)


class SweepingMixin(WrapperMixin):
    """Sweeps before it opens, so that the new connection finds the room that old ones have left."""

    otherwise = "start no sweep"

    def get_new_connection(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the types of backend and driver
        sweep()
        return super().get_new_connection(*args, **kwargs)


class SweeperMixin(WrapperMixin):
    """Has this process's sweeper run once there is something to sweep: a thread does not live through a fork."""

    otherwise = "start no sweep"
    interval_seconds: ClassVar[float]

    def get_new_connection(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        _have_sweeper()
        return super().get_new_connection(*args, **kwargs)

    def adopted(self) -> None:
        if self.connection is not None:
            _have_sweeper()


_sweepers: dict[int, threading.Thread] = {}  # by process


def _have_sweeper() -> None:
    process = os.getpid()
    if process in _sweepers:
        return
    sweeper = threading.Thread(target=_sweep_for_ever, name="loadlab-reaper", daemon=True)
    if _sweepers.setdefault(process, sweeper) is sweeper:  # no other thread was faster
        sweeper.start()


def _sweep_for_ever() -> None:
    while True:
        time.sleep(SweeperMixin.interval_seconds)
        sweep()

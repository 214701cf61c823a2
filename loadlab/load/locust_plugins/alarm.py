"""Wakes a greenlet at an instant, more exactly than gevent's own timers, which know whole milliseconds only."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from typing import Final

import gevent

NANOSECONDS: Final = 1_000_000_000
CLOCK_MONOTONIC: Final = 1
TFD_TIMER_ABSTIME: Final = 1
EVENTS_READ: Final = 1  # of libev


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timer(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


class Alarm:
    """For one greenlet; on Linux a timerfd, elsewhere gevent's own timers, which are exact with kqueue."""

    def __init__(self) -> None:
        self._file: int | None = None
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._file = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
            if self._file == -1:
                raise OSError(ctypes.get_errno(), "timerfd_create")
            self._hub = gevent.get_hub()
            self._watcher = self._hub.loop.io(self._file, EVENTS_READ)

    def wait_until(self, instant: float) -> None:
        """Return when `time.monotonic()` has reached `instant`; other greenlets run meanwhile."""
        if instant <= time.monotonic():
            return
        if self._file is None:
            gevent.sleep(instant - time.monotonic())
            return
        seconds, nanoseconds = divmod(int(instant * NANOSECONDS), NANOSECONDS)
        timer = _Timer(_Time(0, 0), _Time(seconds, nanoseconds))
        self._libc.timerfd_settime(self._file, TFD_TIMER_ABSTIME, ctypes.byref(timer), None)
        self._hub.wait(self._watcher)
        os.read(self._file, 8)

    def close(self) -> None:
        if self._file is not None:
            self._watcher.close()
            os.close(self._file)
            self._file = None

"""The loop of a relay: it waits for sockets and for instants, to the microsecond.

Standard library only. Python rounds epoll's timeout up to whole milliseconds, so the loop waits with select(), which
takes microseconds, for the one descriptor of the epoll (or kqueue) that watches all the others.
"""

from __future__ import annotations

import select
import selectors
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE
PIECE_BYTES: Final = 256 * 1024  # the most that is taken off a socket at once
OVERSLEEP_STEP: Final = 0.5e-6
OVERSLEEP_MOST: Final = 100e-6  # a busy machine may be later than that; it would be no use to stay awake for it


class Loop:
    """Waits for sockets that are ready and for what is due, whichever comes first."""

    def __init__(self) -> None:
        self.now = monotonic()
        self.buffer = memoryview(bytearray(PIECE_BYTES))
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._oversleep = 0.0  # seconds
        self._numbers = count()  # what is due at one instant is done in the order in which it came

    def at(self, due: float, action: Callable[[], None]) -> None:
        heappush(self._due, (due, next(self._numbers), action))

    def watch(self, one: socket.socket | int, had: int, wanted: int, action: Callable[[int], object]) -> None:
        """Call `action` with the events that are ready, from those of `wanted`; it was called for those of `had`."""
        if not wanted:
            self._selector.unregister(one)
        elif had:
            self._selector.modify(one, wanted, action)
        else:
            self._selector.register(one, wanted, action)

    def run(self) -> NoReturn:
        due = self._due
        while True:
            events = self._ready()
            self.now = monotonic()
            for key, ready in events:
                key.data(ready)
            while due and due[0][0] <= monotonic():
                heappop(due)[2]()

    def _ready(self) -> Sequence[tuple[selectors.SelectorKey, int]]:
        if not self._due:
            return self._selector.select()
        alarm = self._due[0][0] - self._oversleep
        wait = alarm - monotonic()
        ready, _, _ = select.select([self._selector], [], [], max(0.0, wait))
        if ready:
            return self._selector.select(0)
        if wait > 0:
            self._learn(monotonic() - alarm)
        return ()

    def _learn(self, overslept: float) -> None:
        """Set the alarm as early as the system wakes us late, and stay awake for the rest: nothing leaves too early.

        The lower quartile of what we oversleep, so that little time is spent awake.
        """
        step = OVERSLEEP_STEP if overslept > self._oversleep else -3 * OVERSLEEP_STEP
        self._oversleep = min(OVERSLEEP_MOST, max(0.0, self._oversleep + step))

"""The lab's own clock while a trial runs: a lab that is stopped does not look at the window's edges in time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from loadlab.load.ticker import TICK_SECONDS, Pause, Ticker

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Ticking:
    """A context that ticks, in a thread, from its start to its end."""

    def __init__(self) -> None:
        self._ticker = Ticker()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticking", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def longest(self, start: float, end: float) -> Pause:
        """The longest time within a window of the monotonic clock that the lab did not run; after the context's end."""
        return self._ticker.longest(start, end)

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self._ticker.tick()
        self._ticker.tick()

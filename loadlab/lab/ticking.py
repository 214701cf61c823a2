"""The lab's own clock while a trial runs: a lab that is stopped does not look at the window's edges in time."""

from __future__ import annotations

from loadlab.load.generator.ticker import TICK_SECONDS, Pause, Ticker
from loadlab.system.background import Background


class Ticking(Background):
    """A context that ticks, in a thread, from its start to its end."""

    def __init__(self) -> None:
        super().__init__("ticking")
        self._ticker = Ticker()

    def longest(self, start: float, end: float) -> Pause:
        """The longest time within a window of the monotonic clock that the lab did not run; after the context's end."""
        return self._ticker.longest(start, end)

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self._ticker.tick()
        self._ticker.tick()

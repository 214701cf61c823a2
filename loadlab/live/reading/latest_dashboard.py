"""The latest analysis of a run that goes on, renewed rarely enough not to disturb what is measured."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from loadlab.live.reading.dashboard import dashboard_of
from loadlab.live.reading.unreadable import told

if TYPE_CHECKING:
    from loadlab.model.schedule import Schedule
    from loadlab.store.reader import RunReader

ANALYSIS_SHARE: Final = 0.1  # of the time, that analyses may take


class LatestDashboard:
    """`json` is what the latest analysis says; empty before there is one."""

    def __init__(self, run: RunReader, schedule: Schedule) -> None:
        self.json = ""
        self._run = run
        self._schedule = schedule
        self._busy = threading.Lock()
        self._analysed: frozenset[int] | None = None
        self._rest_until = 0.0

    def is_stale(self, recorded: frozenset[int], *, at_work: bool) -> bool:
        """Whether there are records that no analysis has seen, and it is time for one."""
        return self._analysed != recorded and (time.monotonic() >= self._rest_until or not at_work)

    def renew(self, recorded: frozenset[int]) -> None:
        """Analyse all records of the run. One analysis at a time is enough.

        Raises:
            UnreadableRunError: they cannot be analysed.
        """
        if not self._busy.acquire(blocking=False):
            return
        try:
            # Noted before: what cannot be analysed is not tried again until there is something new.
            self._analysed, began = recorded, time.monotonic()
            with told():
                self.json = dashboard_of(self._run, self._schedule)
            self._rest_until = time.monotonic() + (time.monotonic() - began) / ANALYSIS_SHARE
        finally:
            self._busy.release()

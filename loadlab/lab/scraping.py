"""Keeps a run and the Prometheus that scrapes it in step: no trial begins unseen, and none ends so."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.lab.opening import Listener
    from loadlab.model.case import Case
    from loadlab.model.samples import Trial
    from loadlab.services.prometheus import Prometheus

JOB: Final = "loadlab"
PICK_UP_SECONDS: Final = 60.0  # at most; Prometheus looks for new targets every five seconds, in two steps
LAST_SCRAPE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.2
CLOSING: Final = 3  # as many trials keep their ledgers beside the last


class InStep:
    """A listener that passes on what it hears, and lets the run wait for `prometheus` where that is needed."""

    def __init__(self, listener: Listener, prometheus: Prometheus, run: str) -> None:
        self._listener = listener
        self._prometheus = prometheus
        self._run = run
        self._seen = False
        self._ended: list[str] = []

    def preparing(self, what: str) -> None:
        self._listener.preparing(what)

    def notice(self, what: str) -> None:
        self._listener.notice(what)

    def trial_begins(self, case: Case, done: int, total: int) -> None:
        if not self._seen:
            self._seen = True
            self._listener.preparing("Prometheus looks for the trials")
            if not self._comes_true(self._sees_targets, PICK_UP_SECONDS):
                self.notice("Prometheus has not found the trials yet and may miss the first ones.")
        self._listener.trial_begins(case, done, total)

    def trial_ended(self, trial: Trial, done: int, total: int) -> None:
        self._listener.trial_ended(trial, done, total)
        self._ended.append(f"{self._run}/{trial.order:04d}")
        if done == total:
            now = time.time()
            self._listener.preparing("Prometheus reads the last counts")
            if not self._comes_true(lambda: self._has_seen_end(now), LAST_SCRAPE_SECONDS):
                self.notice("Prometheus may have missed the last counts of the last trials.")
            # There is nothing more to see, and the ledgers are about to go: they must not be read then.
            self._prometheus.stop()

    def _sees_targets(self) -> bool:
        return any(instance.startswith(f"{self._run}/") for instance in self._prometheus.last_scrapes(JOB))

    def _has_seen_end(self, ended: float) -> bool:
        scraped = self._prometheus.last_scrapes(JOB)
        return all(scraped.get(instance, 0.0) > ended for instance in self._ended[-CLOSING:])

    def _comes_true(self, condition: Callable[[], bool], seconds: float) -> bool:
        """A Prometheus that has died costs its own data, and no trial."""
        deadline = time.monotonic() + seconds
        while self._prometheus.program.running() and time.monotonic() < deadline:
            with suppress(EnvironmentFaultError):
                if condition():
                    return True
            time.sleep(POLL_SECONDS)
        return False

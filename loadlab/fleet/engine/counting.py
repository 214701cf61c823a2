"""What is counted during a simulation."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.fleet import Simulated

if TYPE_CHECKING:
    from loadlab.model.fleet import Counts, Numbers

AGES_KEPT: Final = 20_000  # of the connections that closed, a sample


@dataclass(slots=True)
class RequestOutcomes:
    """Each request is counted once, as `reused`, `connected`, `refused` or `failed`.

    Until that is known, a request that waits for a thread or for a connection of a pool is counted as `queued`.
    """

    arrived: int = 0
    reused: int = 0
    connected: int = 0
    refused: int = 0
    failed: int = 0
    queued: int = 0
    waited: int = 0
    waiting_seconds: float = 0.0

    def wait_over(self, seconds: float) -> None:
        self.waited += 1
        self.waiting_seconds += seconds

    def beside(  # noqa: PLR0913  the other half of a simulation
        self, at: Numbers, opened: Counts, closed: Counts, *, client_opened: int, ages: Numbers, causes: Counter[str]
    ) -> Simulated:
        """The simulation with these requests, and with sessions that `opened` and `closed` until each instant."""
        return Simulated(
            at=at,
            open=opened - closed,
            opened=opened,
            closed=closed,
            requests=self.arrived,
            reused=self.reused,
            refused=self.refused,
            failed=self.failed,
            waited=self.waited,
            waiting_seconds=self.waiting_seconds,
            client_opened=client_opened,
            ages=ages,
            closed_by=dict(causes),
        )


class SessionCounts:
    """PostgreSQL's sessions: when each opened and closed, why, and the ages of a sample of those that closed."""

    __slots__ = ("_ages", "_closed", "_every", "_opened", "_skipped", "causes")

    def __init__(self) -> None:
        self._opened = array("d")
        self._closed = array("d")
        self._ages: list[float] = []
        self._every = 1
        self._skipped = 0
        self.causes: Counter[str] = Counter()

    def opened(self, now: float) -> None:
        self._opened.append(now)

    def closed(self, now: float, age: float, cause: str) -> None:
        self._closed.append(now)
        self.causes[cause] += 1
        self._skipped += 1
        if self._skipped >= self._every:
            self._keep(age)

    def _keep(self, age: float) -> None:
        """Keep every age at first, and half as many of them whenever they have become too many."""
        self._skipped = 0
        self._ages.append(age)
        if len(self._ages) >= AGES_KEPT:
            del self._ages[::2]
            self._every *= 2

    def simulated(self, at: Numbers, requests: RequestOutcomes, client_opened: int | None = None) -> Simulated:
        return requests.beside(
            at,
            _until(at, self._opened),
            _until(at, self._closed),
            client_opened=len(self._opened) if client_opened is None else client_opened,
            ages=np.array(self._ages),
            causes=self.causes,
        )


def _until(at: Numbers, times: array[float]) -> Counts:
    """How many of the sorted `times` are at each instant or before it."""
    return np.searchsorted(np.asarray(times), at, side="right").astype(np.int64)

"""Counts PostgreSQL's sessions between instants, from many openings and closings at once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.engine.counting import AGES_KEPT

if TYPE_CHECKING:
    from loadlab.fleet.engine.counting import RequestOutcomes
    from loadlab.model.fleet import Counts, Numbers, Simulated

_HELD: Final = 1 << 19  # times that are kept until they are counted together


class Instants:
    """Finds, for many times at once, the first of the sorted instants `at` that is not earlier."""

    def __init__(self, at: Numbers) -> None:
        self._at = at
        steps = np.diff(at)
        self._step = float(steps[0]) if len(at) > 1 else 0.0
        self._even = self._step > 0 and bool(np.allclose(steps, self._step, rtol=1e-9, atol=1e-9))

    @property
    def even(self) -> bool:
        return self._even

    def after(self, times: Numbers) -> Counts:
        """The places in `at`; `len(at)` where all are earlier."""
        if not self._even:
            return np.searchsorted(self._at, times)
        places = np.ceil((times - self._at[0]) / self._step).clip(0, len(self._at))
        whole: Counts = places.astype(np.int64)
        return whole


class SessionTally:
    """Those until `end`. Memory grows with the number of instants, and not with the number of sessions."""

    def __init__(self, at: Numbers, end: float, expected: float) -> None:
        self.at = at
        self.causes: Counter[str] = Counter()
        self._instants = Instants(at)
        self._end = end
        self._opened = _Bins(self._instants, len(at))
        self._closed = _Bins(self._instants, len(at))
        self._ages: list[Numbers] = []
        self._every = max(1, int(expected / AGES_KEPT))
        self._skip = 0

    def open(self, times: Numbers) -> None:
        self._opened.add(times)

    def close(self, times: Numbers, opened: Numbers, cause: str) -> None:
        """The sessions that were `opened` at these times close at `times`; those after the end do not count."""
        over = times <= self._end
        times, opened = times[over], opened[over]
        self._closed.add(times)
        self.causes[cause] += len(times)
        self._sample(times - opened)

    def open_and_close(self, times: Numbers) -> None:
        self.open(times)
        self.close(times, times, "request_end")

    def add(self, times: Numbers, opened: Counts, closed: Counts, cause: str, ages: Numbers) -> None:
        """So many opened, and closed, between each of the times and the one before; `ages` are those of a sample."""
        places = self._instants.after(times)
        self._opened.add_counts(places, opened)
        self._closed.add_counts(places, closed)
        self.causes[cause] += int(closed.sum())
        self._ages.append(ages)

    @property
    def opened(self) -> int:
        return self._opened.total()

    def simulated(self, requests: RequestOutcomes) -> Simulated:
        return requests.beside(
            self.at,
            self._opened.until(),
            self._closed.until(),
            client_opened=self.opened,
            ages=np.concatenate([np.empty(0), *self._ages]),
            causes=self.causes,
        )

    def _sample(self, ages: Numbers) -> None:
        """Keeps one in so many."""
        self._ages.append(ages[self._skip :: self._every].copy())
        self._skip = (self._skip - len(ages)) % self._every


class _Bins:
    def __init__(self, instants: Instants, count: int) -> None:
        self._instants = instants
        self._counts = np.zeros(count + 1, dtype=np.int64)
        self._times: list[Numbers] = []
        self._held = 0

    def add(self, times: Numbers) -> None:
        self._times.append(times)
        self._held += len(times)
        if self._held > _HELD:
            self._count()

    def add_counts(self, places: Counts, counts: Counts) -> None:
        np.add.at(self._counts, places, counts)

    def total(self) -> int:
        """With those after the last instant."""
        self._count()
        return int(self._counts.sum())

    def until(self) -> Counts:
        self._count()
        return np.cumsum(self._counts[:-1])

    def _count(self) -> None:
        if self._times:
            places = self._instants.after(np.concatenate(self._times))
            self._counts += np.bincount(places, minlength=len(self._counts))
        self._times, self._held = [], 0

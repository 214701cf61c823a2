"""Reads quantities at a fixed rate, in a thread of its own, while a load runs."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg2

from loadlab.errors import EnvironmentFaultError
from loadlab.model.samples import Series
from loadlab.probes import PROBES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from loadlab.probes import Scene

RATE: Final = 10.0  # samples per second
FOLLOWED_RATE: Final = 2.0  # of which so many are told to whoever follows the trial


def look(scene: Scene, *, sampled_only: bool) -> dict[str, float]:
    """One reading of every probe, or of those that are cheap enough to be sampled."""
    reading: dict[str, float] = {}
    for name in PROBES:
        if PROBES[name].sampled or not sampled_only:
            reading |= PROBES[name]().read(scene)
    return reading


class Sampler:
    """A context that calls `read` from its start to its end; what cannot be read leaves a gap, and is no error.

    `follow` is called twice a second with the highest of each quantity so far, in the sampler's thread, and may ask for
    more.
    """

    def __init__(
        self,
        read: Callable[[], dict[str, float]],
        origin: float,
        follow: Callable[[Mapping[str, float]], None] | None = None,
        rate: float = RATE,
    ) -> None:
        self._read = read
        self._origin = origin
        self._follow = follow
        self._rate = rate
        self._each = max(1, round(rate / FOLLOWED_RATE))
        self._at: list[float] = []
        self._readings: list[dict[str, float]] = []
        self._highest: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            with suppress(psycopg2.Error, OSError, EnvironmentFaultError):
                reading = self._read()
                self._at.append(time.monotonic() - self._origin)
                self._readings.append(reading)
                self._highest |= {name: max(value, self._highest.get(name, value)) for name, value in reading.items()}
                if self._follow is not None and len(self._readings) % self._each == 1 % self._each:
                    self._follow(self._highest)
            due += 1 / self._rate

    def series(self) -> Series:
        """What was sampled; complete once the context has ended."""
        names: Mapping[str, float] = self._readings[0] if self._readings else {}
        return Series(at=self._at, values={name: [reading[name] for reading in self._readings] for name in names})

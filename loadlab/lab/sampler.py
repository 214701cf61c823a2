"""Reads quantities at a fixed rate, in its own thread, while a load runs."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import psycopg2

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.validity import LEAST_UNSEEN_SECONDS, Disturbance, still_too_long
from loadlab.model.causes import Cause
from loadlab.model.samples import Series
from loadlab.model.text import redacted
from loadlab.probes import PROBES
from loadlab.system.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadlab.model.window import Window
    from loadlab.probes import ProbeContext

RATE: Final = 10.0  # samples per second
FOLLOWED_RATE: Final = 2.0  # of which so many are told to a follower of the trial


def look(context: ProbeContext, *, sampled_only: bool) -> dict[str, float]:
    """One reading of every probe, or of those that are cheap enough to be sampled."""
    reading: dict[str, float] = {}
    for name in PROBES:
        if PROBES[name].sampled or not sampled_only:
            reading |= PROBES[name]().read(context)
    return reading


def brief(error: BaseException) -> str:
    """An error in one line, without a password, for the reason of a trial."""
    return redacted(" ".join(str(error).split())) or type(error).__name__


class Sampler(Background):
    """A context that calls `read` from its start to its end; what cannot be read leaves a gap, which `blind` tells of.

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
        super().__init__("sampler")
        self._read = read
        self._origin = origin
        self._follow = follow
        self._rate = rate
        self._each = max(1, round(rate / FOLLOWED_RATE))
        self._at: list[float] = []
        self._readings: list[dict[str, float]] = []
        self._highest: dict[str, float] = {}
        self._missed: list[tuple[float, str]] = []

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            try:
                self._take(self._read())
            except (psycopg2.Error, OSError, EnvironmentFaultError) as error:
                self._missed.append((time.monotonic() - self._origin, brief(error)))
            due += 1 / self._rate

    def _take(self, reading: dict[str, float]) -> None:
        self._at.append(time.monotonic() - self._origin)
        self._readings.append(reading)
        self._highest |= {name: max(value, self._highest.get(name, value)) for name, value in reading.items()}
        if self._follow is not None and len(self._readings) % self._each == 1 % self._each:
            with suppress(psycopg2.Error, OSError, EnvironmentFaultError):  # it asks for more than is kept
                self._follow(self._highest)

    def blind(self, window: Window) -> tuple[float, str]:
        """For how long within a window nothing could be read, in seconds since the origin, and the first error.

        A reading that only takes long does not count: the machine may be busy.
        """
        edges = [window.start, *(at for at in self._at if window.start < at < window.end), window.end]
        spans = [
            (to - since, next(what for at, what in self._missed if since <= at <= to))
            for since, to in pairwise(edges)
            if any(since <= at <= to for at, _ in self._missed)
        ]
        return max(spans, default=(0.0, ""))

    def series(self) -> Series:
        """What was sampled; complete once the context has ended."""
        names: Mapping[str, float] = self._readings[0] if self._readings else {}
        return Series(at=self._at, values={name: [reading[name] for reading in self._readings] for name in names})


def unseen(sampler: Sampler, window: Window) -> list[Disturbance]:
    """That connections could not be observed for too long within the window; nothing if they could."""
    blind, error = sampler.blind(window)
    if not still_too_long(blind, window, LEAST_UNSEEN_SECONDS):
        return []
    reason = f"connections could not be observed for {blind:.2f} s of the window: {error}"
    return [Disturbance(Cause.NOT_OBSERVED, reason)]

"""When the requests of an open load are due: the same instants for the same seed, however many processes send them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from loadlab.model.condition import OpenLoad

AT_A_TIME: Final = 4096  # instants that are made together: a long load must not hold all of its schedule


def arrivals(load: OpenLoad, seed: int, *, first: int = 0, step: int = 1) -> Iterator[float]:
    """Seconds since the start, in order and without end: of all arrivals, the `first`-th and every `step`-th after it.

    So the shares of several processes make up exactly the schedule of one.

    >>> from loadlab.model.condition import OpenLoad
    >>> list(itertools.islice(arrivals(OpenLoad(rate=4, arrivals="uniform"), 0, first=1, step=2), 3))
    [0.25, 0.75, 1.25]
    """
    parts = _poisson(load.rate, seed) if load.arrivals == "poisson" else _uniform(load.rate)
    skip = first
    for part in parts:
        yield from part[skip::step].tolist()
        skip = (skip - part.size) % step


def _poisson(rate: float, seed: int) -> Iterator[NDArray[np.float64]]:
    """Independent exponential gaps: each instant is as likely as any other, independent of the past."""
    chance = np.random.default_rng(seed)
    last = 0.0
    while True:
        part = last + np.cumsum(chance.exponential(1 / rate, AT_A_TIME))
        last = float(part[-1])
        yield part


def _uniform(rate: float) -> Iterator[NDArray[np.float64]]:
    """From the number of each arrival, so that no rounding adds up."""
    for number in itertools.count(0, AT_A_TIME):
        yield np.arange(number, number + AT_A_TIME) / rate

"""Percentiles: which ones a sample is large enough for, and what they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Percentiles:
    """Response times in seconds; None where there are too few samples for that percentile."""

    p50: float | None
    p95: float | None
    p99: float | None


@cache
def smallest_sample(quantile: float) -> int:
    """The fewest values from which order statistics give this quantile a two-sided 95 % interval.

    The widest such interval, from the smallest to the largest of n values, covers it with probability
    1 - q**n - (1 - q)**n. Source: David and Nagaraja, Order Statistics, section 7.1.

    >>> [smallest_sample(quantile) for quantile in (0.5, 0.95, 0.99, 0.999)]
    [6, 59, 299, 2995]
    """
    return next(n for n in count(1) if 1 - quantile**n - (1 - quantile) ** n >= CONFIDENCE)


def percentiles(seconds: NDArray[np.float64]) -> Percentiles:
    """The percentiles of response times, each None where there are too few of them."""
    ordered = np.sort(seconds)
    return Percentiles(p50=_at(ordered, 0.5), p95=_at(ordered, 0.95), p99=_at(ordered, 0.99))


def _at(ordered: NDArray[np.float64], quantile: float) -> float | None:
    return None if ordered.size < smallest_sample(quantile) else between(ordered, quantile)


def between(ordered: NDArray[np.float64], quantile: float) -> float:
    """A quantile of values in order, linear between neighbours: as numpy's own, which takes many times as long."""
    position = quantile * (ordered.size - 1)
    below = int(position)
    above = min(below + 1, ordered.size - 1)
    return float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))

"""Confidence intervals from order statistics: they assume nothing about the shape of the noise."""

from __future__ import annotations

from functools import cache
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Interval(NamedTuple):
    """`low` and `high` may be infinite: then nothing bounds it on that side."""

    low: float
    high: float


def median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the first axis; numpy's own function loads all of its masked arrays. No value may be NaN.

    >>> float(median(np.array([4.0, 1.0, 2.0, 9.0])))
    3.0
    """
    ordered, size = np.sort(values, axis=0), len(values)
    middle: NDArray[np.float64] = (ordered[(size - 1) // 2] + ordered[size // 2]) / 2
    return middle


def of_median(values: NDArray[np.float64], confidence: float = 0.95) -> Interval | None:
    """From the r-th smallest to the r-th largest value, for the largest r that holds the confidence.

    Below six values no two of them hold 95 %. Source: David and Nagaraja, Order Statistics, section 7.1.

    >>> of_median(np.arange(1.0, 13.0)), of_median(np.arange(5.0))
    (Interval(low=3.0, high=10.0), None)
    """
    return ends_of_median(values, (1 - confidence) / 2)


def ends_of_median(values: NDArray[np.float64], tail: float) -> Interval | None:
    """The same with an error of at most `tail` at each end. NaN is a value that is not known, and widens both ends.

    >>> ends_of_median(np.arange(5.0), 0.05), ends_of_median(np.array([1.0, 2.0, np.nan, 3.0, 4.0]), 0.05)
    (Interval(low=0.0, high=4.0), Interval(low=-inf, high=inf))
    """
    left_out = _left_out(values.size, tail)
    if left_out is None:
        return None
    lowest, highest = (np.sort(np.where(np.isnan(values), end, values)) for end in (-np.inf, np.inf))
    return Interval(float(lowest[left_out]), float(highest[-1 - left_out]))


@cache
def _left_out(size: int, tail: float) -> int | None:
    """How many values may lie outside at each end: the most with P(binomial(size, 1/2) ≤ that) ≤ `tail`."""
    total, left_out = 0, None
    for outside in range(size):
        total += comb(size, outside)
        if total > tail * 2**size:
            break
        left_out = outside
    return left_out

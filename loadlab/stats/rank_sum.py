"""Two samples that are not paired: the estimate of their shift, and the interval that inverts the rank-sum test.

Both come from all differences between a value of the one and a value of the other. Sources: Mann and Whitney 1947;
Hodges and Lehmann 1963; Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd edition, 4.1 to 4.3.
"""

from __future__ import annotations

from functools import cache
from math import inf, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.stats.intervals import Interval, median

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_EACH: Final = 4  # values of both samples with which there is an interval
EXACT_UP_TO: Final = 2_500  # products of sizes; beyond, the normal approximation is as good


def shift(
    first: NDArray[np.float64], second: NDArray[np.float64], *, tail: float = 0.025
) -> tuple[float, Interval | None]:
    """How much larger `second` is, with an interval; none where too few values can hold it.

    The interval errs with a chance of `tail` at each end: by default it is one of 95 %.

    Values may be infinite, or NaN where one exists and is not known. What unknown values differ by, or two equal
    infinities, counts against both ends; each sample must hold a value that is known.
    """
    differences = _differences(first, second)
    unknown = np.isnan(differences)
    estimate = float(
        median(
            np.nan_to_num(
                _differences(*(one[~np.isnan(one)] for one in (first, second))), nan=0.0, posinf=inf, neginf=-inf
            )
        )
    )
    cut = critical(first.size, second.size, tail)
    if cut is None:
        return estimate, None
    lowest = np.sort(np.where(unknown, -inf, differences))
    highest = np.sort(np.where(unknown, inf, differences))
    return estimate, Interval(float(lowest[cut]), float(highest[-1 - cut]))


def _differences(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return (second[:, np.newaxis] - first).ravel()


@cache
def critical(first: int, second: int, tail: float) -> int | None:
    """The largest u with P(U ≤ u) ≤ `tail`, of Mann and Whitney's U; None where even P(U = 0) is more.

    >>> critical(4, 4, 0.025), critical(8, 8, 0.025), critical(3, 3, 0.025)
    (0, 13, None)
    """
    if first * second > EXACT_UP_TO:
        spread = sqrt(first * second * (first + second + 1) / 12)
        return int(first * second / 2 - 0.5 + NormalDist().inv_cdf(tail) * spread)
    below = int(np.searchsorted(np.cumsum(_chances(first, second)), tail, side="right"))
    return below - 1 if below else None


def _chances(first: int, second: int) -> NDArray[np.float64]:
    """P(U = u) for each u: the largest of all values is of the one sample or of the other."""
    rows = [np.ones(1) for _ in range(second + 1)]
    for ours in range(1, first + 1):
        for theirs in range(1, second + 1):
            chances = np.zeros(ours * theirs + 1)
            chances[theirs : theirs + rows[theirs].size] += ours / (ours + theirs) * rows[theirs]
            chances[: rows[theirs - 1].size] += theirs / (ours + theirs) * rows[theirs - 1]
            rows[theirs] = chances
    return rows[second]

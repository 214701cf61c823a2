"""How much one run differs from an earlier one, where the machine may have changed in between.

A run has one level, so nothing in two runs tells a change of the machine from the change that is asked about. The
spread of trials says how much the machine changes within a run. The interval allows for as much between the runs: that
their levels differ as two trials do. Sources: Kalibera and Jones, Rigorous benchmarking in reasonable time, 2013, on
runs as the level that must vary; Hahn and Meeker, Statistical Intervals, 4.7, on intervals for another sample.
"""

from __future__ import annotations

from math import hypot, inf, isinf, sqrt
from typing import TYPE_CHECKING

import numpy as np

from loadlab.stats import rank_sum, student
from loadlab.stats.intervals import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


def shift(
    first: NDArray[np.float64], second: NDArray[np.float64], *, tail: float = 0.025
) -> tuple[float, Interval | None]:
    """How much larger the values of the `second` run are, as `rank_sum.shift`, with an interval that allows for drift.

    Where one run served next to nothing, the estimate is infinite, and no drift explains it.
    """
    estimate, interval = rank_sum.shift(first, second, tail=tail)
    if interval is None or isinf(estimate):
        return estimate, interval
    allowed = drift(first, second, tail)
    low, high = hypot(estimate - interval.low, allowed), hypot(interval.high - estimate, allowed)
    return estimate, Interval(estimate - low, estimate + high)


def drift(first: NDArray[np.float64], second: NDArray[np.float64], tail: float) -> float:
    """What a trial of one run differs by from a trial of the other, more with a chance of `tail`; Welch's t.

    Infinite where a run has fewer than two finite values.
    """
    runs = [values[np.isfinite(values)] for values in (first, second)]
    if not all(values.size > 1 for values in runs):
        return inf
    variances = [float(values.var(ddof=1)) for values in runs]
    squares = sum(variance**2 / (values.size - 1) for variance, values in zip(variances, runs, strict=True))
    if not squares:
        return 0.0
    return student.upper(tail, sum(variances) ** 2 / squares) * sqrt(sum(variances))

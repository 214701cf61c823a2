"""The smallest difference that a number of blocks could have shown."""

from __future__ import annotations

from functools import cache
from math import exp, log, sqrt
from typing import Final

from scipy.special import nctdtrinc, stdtrit

from loadlab.analysis.multiplicity import ALPHA

POWER: Final = 0.8


@cache
def detectable_deviations(blocks: int) -> float:
    """The smallest mean of paired differences found with power 0.8 at two-sided 0.05, in their deviations.

    The noncentrality at which a t statistic stays under its critical value with probability 0.2, over √n
    (the chance of a significant result of the wrong sign is left out: under 1e-5).

    >>> [round(detectable_deviations(blocks), 2) for blocks in (6, 8, 10, 15, 20)]
    [1.43, 1.16, 1.0, 0.78, 0.66]
    """
    freedom = blocks - 1
    critical = float(stdtrit(freedom, 1 - ALPHA / 2))
    return float(nctdtrinc(freedom, 1 - POWER, critical)) / sqrt(blocks)


def detectable_ratio(deviation: float, blocks: int) -> float | None:
    """The smallest ratio above 1, given the standard deviation of log-ratios; None under three blocks."""
    if blocks < 3:  # noqa: PLR2004  with one degree of freedom the answer is "anything"
        return None
    log_ratio = detectable_deviations(blocks) * deviation
    return exp(log_ratio) if log_ratio < log(1e6) else None

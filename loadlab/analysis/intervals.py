"""Confidence intervals for the middle of a few values, one per trial or per block."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENOUGH_TO_RESAMPLE: Final = 10  # with fewer values, their resamples are too few to show tails
RESAMPLES: Final = 4_000
SEED: Final = 2013  # fixed: the same samples always give the same findings


class Interval(NamedTuple):
    low: float
    high: float

    def widened_to(self, value: float) -> Interval:
        return Interval(min(self.low, value), max(self.high, value))


def intervals(values: NDArray[np.float64], *confidences: float) -> tuple[Interval, ...]:
    """One interval per confidence: Student's t below 10 values, from 10 on a BCa bootstrap of the median.

    Below two values there is none. Each is widened, where needed, to contain the median, which is what is
    reported as the estimate (the t interval is built around the mean).
    """
    if values.size < 2:  # noqa: PLR2004  a spread takes two
        return ()
    build = _student if values.size < ENOUGH_TO_RESAMPLE else _bca
    median = float(np.median(values))
    return tuple(interval.widened_to(median) for interval in build(values, confidences))


def _student(values: NDArray[np.float64], confidences: tuple[float, ...]) -> list[Interval]:
    mean = float(values.mean())
    standard_error = float(values.std(ddof=1)) / values.size**0.5
    reaches = [float(stdtrit(values.size - 1, (1 + level) / 2)) * standard_error for level in confidences]
    return [Interval(mean - reach, mean + reach) for reach in reaches]


def _bca(values: NDArray[np.float64], confidences: tuple[float, ...]) -> list[Interval]:
    """Bias-corrected and accelerated; source: Efron and Tibshirani, An Introduction to the Bootstrap, 14.3."""
    medians = np.sort(_resampled_medians(values))
    bias, acceleration = _bias(medians, float(np.median(values))), _acceleration(values)

    def end(tail: float) -> float:
        shifted = bias + NormalDist().inv_cdf(tail)
        share = NormalDist().cdf(bias + shifted / (1 - acceleration * shifted))
        return float(medians[min(int(share * RESAMPLES), RESAMPLES - 1)])

    return [Interval(end((1 - level) / 2), end((1 + level) / 2)) for level in confidences]


def _resampled_medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    chosen = np.random.default_rng(SEED).integers(0, values.size, size=(RESAMPLES, values.size))
    return _middles(np.sort(values[chosen], axis=1))


def _middles(ordered_rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each row; numpy's own takes several times as long on many short rows."""
    width = ordered_rows.shape[1]
    return (ordered_rows[:, (width - 1) // 2] + ordered_rows[:, width // 2]) / 2


def _bias(medians: NDArray[np.float64], centre: float) -> float:
    """How far the bootstrap's centre lies from the estimate, in normal quantiles; ties count half."""
    below = np.searchsorted(medians, centre, side="left")
    not_above = np.searchsorted(medians, centre, side="right")
    share = float(below + not_above) / 2 / RESAMPLES
    nearly_all = 1 - 1 / RESAMPLES
    return NormalDist().inv_cdf(min(max(share, 1 - nearly_all), nearly_all))


def _acceleration(values: NDArray[np.float64]) -> float:
    """From the jackknife: the median of all values but one, for each of them."""
    others = np.arange(values.size - 1)
    all_but_one = others + (others >= np.arange(values.size)[:, np.newaxis])
    left_out = _middles(np.sort(values)[all_but_one])
    gaps = left_out.mean() - left_out
    largest = float(np.abs(gaps).max())
    if not largest:
        return 0.0
    gaps /= largest  # the ratio below has no scale; without this, the cubes of tiny gaps would vanish
    return float((gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5))

"""Wilcoxon's signed-rank test, and the estimate and interval that invert it: one method for p, ratio and interval.

All three come from the Walsh averages, the n(n + 1)/2 means of two differences (each also with itself). Those at or
below θ are what speaks against a centre above θ, and their number has Wilcoxon's exact distribution for any symmetric
noise. Sources: Wilcoxon 1945; Hodges and Lehmann 1963; Hollander, Wolfe and Chicken, Nonparametric Statistical
Methods, 3rd edition, sections 3.1 to 3.3.
"""

from __future__ import annotations

from functools import cache
from math import inf
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING: Final = 1e-12  # averages that are zero on paper may differ from it in their last bits


class Averages:
    """The Walsh averages of differences, which may be infinite, or NaN where a difference exists but is not known.

    Differences run along the last axis; other axes hold separate runs, as a simulation has them. An average
    that is not known (of a NaN, or of an infinity with its opposite) counts against every claim: as the lowest of all
    where a lower end is sought, as the highest where an upper one is.
    """

    def __init__(self, differences: NDArray[np.float64]) -> None:
        self.size = differences.shape[-1]
        self._differences = differences
        averages = walsh(differences)
        unknown = np.isnan(averages)
        if unknown.any():
            self._lowest = np.sort(np.where(unknown, -inf, averages), axis=-1)
            self._highest = np.sort(np.where(unknown, inf, averages), axis=-1)
        else:
            averages.sort(axis=-1)  # in place: those of a thousand differences are half a million
            self._lowest = self._highest = averages

    def estimate(self) -> NDArray[np.float64]:
        """Hodges and Lehmann's: the median of the averages of all known differences; there must be one.

        Opposite infinities cancel. The estimate lies inside every interval. Of one run only, where an average of it is
        not known.
        """
        averages = self._lowest
        if self._highest is not self._lowest:
            known = self._differences[~np.isnan(self._differences)]
            averages = np.sort(np.nan_to_num(walsh(known), nan=0.0, posinf=inf, neginf=-inf))
        count = averages.shape[-1]
        middle: NDArray[np.float64] = (averages[..., (count - 1) // 2] + averages[..., count // 2]) / 2
        return middle

    def p(self) -> NDArray[np.float64]:
        """Two-sided and exact."""
        chances: NDArray[np.float64] = np.minimum(1.0, 2 * tails(self.size)[self.against()])
        return chances

    def against(self) -> NDArray[np.intp]:
        """How many averages speak against a difference to the likelier side; ties and unknown ones are among them."""
        sizes = np.where(np.isfinite(self._differences), np.abs(self._differences), 0.0)
        zero = ROUNDING * sizes.max(axis=-1, initial=0.0, keepdims=True)
        above = np.count_nonzero(self._lowest <= zero, axis=-1)
        below = np.count_nonzero(self._highest >= -zero, axis=-1)
        fewer: NDArray[np.intp] = np.minimum(above, below)
        return fewer

    def interval(self, confidence: float) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Excludes 0 exactly where p is at most 1 - confidence; None where there are too few differences for one."""
        cut = critical(self.size, (1 - confidence) / 2)
        return None if cut is None else self.ends(cut)

    def ends(self, cut: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The interval that leaves out `cut` averages on each side."""
        return self._lowest[..., cut], self._highest[..., -1 - cut]


def walsh(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """The averages of each two, along the last axis: first of each with itself, then with the next, and so on.

    >>> walsh(np.array([1.0, 2.0, 6.0])).tolist()
    [1.0, 2.0, 6.0, 1.5, 4.0, 3.5]
    """
    size = differences.shape[-1]
    averages = np.empty((*differences.shape[:-1], size * (size + 1) // 2))
    at = 0
    with np.errstate(invalid="ignore"):  # an infinity and its opposite
        for apart in range(size):
            width = size - apart
            np.add(differences[..., :width], differences[..., apart:], out=averages[..., at : at + width])
            at += width
        averages /= 2
    return averages


@cache
def tails(size: int) -> NDArray[np.float64]:
    """P(W ≤ w) for each w, where each rank of `size` is in W or not with equal chance."""
    summed: NDArray[np.float64] = np.cumsum(rank_sums(1, size))
    return np.minimum(summed, 1.0)


def rank_sums(first: int, last: int) -> NDArray[np.float64]:
    """P(sum = s) for each s, where each of the ranks `first` … `last` is in the sum or not with equal chance.

    Of up to 1,000 ranks, the most blocks of a plan: the chance of a single sum is a float then.

    >>> rank_sums(2, 3).tolist()
    [0.25, 0.0, 0.25, 0.25, 0.0, 0.25]
    """
    largest = (first + last) * (last + 1 - first) // 2
    half = np.zeros(largest // 2 + 1)  # the other half mirrors it
    half[0] = 0.5 ** (last + 1 - first)
    without, reached = np.empty_like(half), 0
    for rank in range(first, last + 1):
        reached += rank
        filled = min(reached + 1, half.size)
        before = without[: max(0, filled - rank)]
        before[:] = half[: before.size]
        half[rank:filled] += before
    mirrored: NDArray[np.float64] = half[: largest + 1 - half.size][::-1]
    return np.concatenate([half, mirrored])


def critical(size: int, tail: float) -> int | None:
    """The largest w with P(W ≤ w) ≤ `tail`; None where even P(W = 0) is more.

    >>> critical(6, 0.025), critical(8, 0.025), critical(5, 0.025)
    (0, 3, None)
    """
    below = int(np.searchsorted(tails(size), tail, side="right"))
    return below - 1 if below else None

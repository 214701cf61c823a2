"""The sign-flip test: how often would paired differences look this one-sided if their signs were chance?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_UP_TO: Final = 30  # blocks; two halves of 2**15 sums each
DRAWS: Final = 19_999
SEED: Final = 2013
ROUNDING: Final = 1e-9  # sums that are equal on paper may differ in their last bits


def sign_flip_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p of the sum of `differences`, over all 2**n ways to give them signs.

    Exact up to 30 differences; above that from 19,999 seeded random sign vectors, the observed one counted
    in. The smallest p that n differences can give is `smallest_p(n)`. No differences: p is 1.
    """
    bound = abs(float(differences.sum())) - ROUNDING * float(np.abs(differences).sum())
    if differences.size <= EXACT_UP_TO:
        return _exact(differences, bound)
    return _sampled(differences, bound)


def smallest_p(blocks: int) -> float:
    """Reached when all differences agree: only that sign vector and its opposite are as extreme.

    >>> smallest_p(6)
    0.03125
    """
    return float(min(1.0, 2.0 ** (1 - blocks)))


def _exact(differences: NDArray[np.float64], bound: float) -> float:
    """Counts sign vectors without listing them: all sums of one half against the sorted sums of the other."""
    middle = differences.size // 2
    first, second = _signed_sums(differences[:middle]), np.sort(_signed_sums(differences[middle:]))
    if bound <= 0:
        return 1.0
    at_least = second.size - np.searchsorted(second, bound - first, side="left")
    at_most = np.searchsorted(second, -bound - first, side="right")
    return float((at_least.sum() + at_most.sum()) / (first.size * second.size))


def _signed_sums(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums + difference, sums - difference])
    return sums


def _sampled(differences: NDArray[np.float64], bound: float) -> float:
    generator = np.random.default_rng(SEED)
    signs = generator.integers(0, 2, size=(DRAWS, differences.size), dtype=np.int8) * 2 - 1
    as_extreme = np.count_nonzero(np.abs(signs @ differences) >= bound)
    return float((as_extreme + 1) / (DRAWS + 1))

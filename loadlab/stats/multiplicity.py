"""What testing several comparisons at once costs: Holm's correction, and the blocks it takes to overcome it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.stats.signed_rank import smallest_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ALPHA: Final = 0.05
FEWEST_BLOCKS: Final = 6  # with five, even five equal signs give p = 0.0625


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given; below alpha means rejected, with the family's error under alpha.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted: list[float] = adjust(np.asarray(p_values, dtype=np.float64)).tolist()
    return adjusted


def adjust(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same along the last axis, for many families at once."""
    order = np.argsort(p_values, axis=-1, kind="stable")
    steps = np.arange(p_values.shape[-1], 0, -1) * np.take_along_axis(p_values, order, axis=-1)
    adjusted = np.empty_like(steps)
    np.put_along_axis(adjusted, order, np.minimum(1.0, np.maximum.accumulate(steps, axis=-1)), axis=-1)
    return adjusted


def blocks_needed(comparisons: int) -> int:
    """The fewest blocks with which the strongest of so many comparisons can become significant.

    >>> [blocks_needed(comparisons) for comparisons in (1, 2, 6, 12)]
    [6, 7, 8, 9]
    """
    return next(n for n in count(FEWEST_BLOCKS) if smallest_p(n) * comparisons < ALPHA)

"""What testing several comparisons at once costs: Holm's correction, and the blocks it takes to overcome it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from loadlab.analysis.signed_rank import smallest_p

if TYPE_CHECKING:
    from collections.abc import Sequence

ALPHA: Final = 0.05
FEWEST_BLOCKS: Final = 6  # with five, even five equal signs give p = 0.0625


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given; below alpha means rejected, with the family's error under alpha.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def blocks_needed(comparisons: int) -> int:
    """The fewest blocks with which the strongest of so many comparisons can become significant.

    >>> [blocks_needed(comparisons) for comparisons in (1, 2, 6, 12)]
    [6, 7, 8, 9]
    """
    return next(n for n in count(FEWEST_BLOCKS) if smallest_p(n) * comparisons < ALPHA)

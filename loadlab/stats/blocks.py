"""How many blocks the strongest of several comparisons takes to become significant."""

from __future__ import annotations

from itertools import count
from typing import Final

ALPHA: Final = 0.05
FEWEST_BLOCKS: Final = 6  # with five, even five equal signs give p = 0.0625


def smallest_p(blocks: int) -> float:
    """Reached when all differences agree: only that and its opposite are as extreme.

    >>> smallest_p(6)
    0.03125
    """
    return float(min(1.0, 2.0 ** (1 - blocks)))


def blocks_needed(comparisons: int) -> int:
    """The fewest blocks with which the strongest of so many comparisons can become significant.

    >>> [blocks_needed(comparisons) for comparisons in (1, 2, 6, 12)]
    [6, 7, 8, 9]
    """
    return next(n for n in count(FEWEST_BLOCKS) if smallest_p(n) * comparisons < ALPHA)

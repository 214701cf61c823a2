"""What usual plans detect, computed once: `loadlab plan` answers without numpy and its simulation.

`benchmarks/detectable.py` writes the table from `stats/power.py`; a test compares the two.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

from loadlab.stats._detectable_table import MARGIN, MOST_COMPARISONS, TABLE
from loadlab.stats.blocks import blocks_needed

POWER: Final = 0.8
SUPPOSED: Final = (0.03, 0.05, 0.1)  # coefficients of variation, from a quiet machine to a busy one


def detected(share: float, blocks: int, comparisons: int, *, margin: float) -> float | None:
    """The smallest ratio that is found where trials vary by `share`, as `power.detectable_ratio` says it.

    >>> round(detected(0.05, 12, 6, margin=0.05) or 0, 2), detected(0.05, 6, 2, margin=0.05)
    (1.09, None)
    """
    if blocks < blocks_needed(comparisons):
        return None
    if margin != MARGIN or share not in SUPPOSED or blocks not in TABLE or comparisons > MOST_COMPARISONS:
        return simulated(share, blocks, comparisons, margin=margin)
    ratios = next(ratios for most, ratios in TABLE[blocks] if comparisons <= most)
    return ratios[SUPPOSED.index(share)]


def simulated(share: float, blocks: int, comparisons: int, *, margin: float) -> float | None:
    """The same for any plan."""
    from loadlab.stats.power import detectable_ratio  # noqa: PLC0415  numpy, which usual plans do without

    deviation = sqrt(2) * share  # of the logarithm of a ratio of two trials
    return detectable_ratio(deviation, blocks, comparisons, margin=margin)

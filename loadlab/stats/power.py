"""The smallest difference that a number of blocks detects, under the very rule that gives verdicts.

A difference is called better or worse when the lowest of so many Walsh averages lies above 0 (Wilcoxon's test after
Holm's correction), the estimate is beyond the noise floor, and the 90 % interval does not fit in the margin. Each of
these holds from some true effect on, so of one simulated run it is known from which effect on it would be called; the
quantile 0.8 of that, over seeded runs with normal noise, is the effect that is detected with power 0.8.
"""

from __future__ import annotations

from functools import cache
from math import exp, log1p, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.percentiles import between
from loadlab.stats.blocks import ALPHA, blocks_needed
from loadlab.stats.detectable import POWER
from loadlab.stats.paired import LARGEST
from loadlab.stats.signed_rank import critical, walsh

if TYPE_CHECKING:
    from numpy.typing import NDArray

RUNS: Final = 10_000  # the power at what is found is known to 0.004
PARTS: Final = 50  # of the runs, one after the other
SEED: Final = 2013
MOST_SIMULATED: Final = 24  # blocks; beyond, what is detected shrinks with their square root


def detectable_ratio(
    deviation: float, blocks: int, comparisons: int, *, noise: float = 0.0, margin: float = 0.0
) -> float | None:
    """The smallest ratio above 1 called better with power 0.8, if it alone of `comparisons` differs.

    `deviation` is that of the log ratios, `noise` the noise floor in logs, `margin` what counts as no difference. None
    where so few blocks can prove nothing among so many comparisons.

    >>> round(detectable_ratio(0.05 * sqrt(2), 12, 6) or 0, 2), detectable_ratio(0.05, 8, 20)
    (1.09, None)
    """
    if blocks < blocks_needed(comparisons):
        return None
    simulated = min(blocks, max(MOST_SIMULATED, blocks_needed(comparisons)))
    deviation, blocks = deviation * sqrt(simulated / blocks), simulated
    cut = critical(blocks, ALPHA / 2 / comparisons)
    if cut is None:
        return None
    lowest, estimates, highest = _simulated(blocks)
    significant = -lowest[:, cut] * deviation
    above_noise = noise - estimates * deviation
    not_equivalent = log1p(margin) - highest * deviation
    needed = np.maximum(np.maximum(significant, above_noise), not_equivalent)
    # A difference within the margin counts as none, even where an interval that reaches beyond it has it called one.
    smallest = max(between(np.sort(needed), POWER), log1p(margin))
    return exp(smallest) if smallest < LARGEST else None


@cache
def _simulated(blocks: int) -> tuple[NDArray[np.float64], ...]:
    """Of standard normal differences, a row per run: the lowest Walsh averages in order, the estimate, the 90 % end."""
    differences = np.random.default_rng([SEED, blocks]).standard_normal((RUNS, blocks))
    used, narrow = critical(blocks, ALPHA / 2), critical(blocks, ALPHA)
    if used is None or narrow is None:
        raise ValueError(f"{blocks} blocks cannot prove anything")
    parts = [_of_some(some, used, narrow) for some in np.split(differences, PARTS)]
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _of_some(differences: NDArray[np.float64], used: int, narrow: int) -> tuple[NDArray[np.float64], ...]:
    """The same of a few runs, whose averages fit into the caches of a processor."""
    averages = np.sort(walsh(differences), axis=1)
    count = averages.shape[1]
    middle = (averages[:, (count - 1) // 2] + averages[:, count // 2]) / 2
    return averages[:, : used + 1].copy(), middle, averages[:, -1 - narrow].copy()

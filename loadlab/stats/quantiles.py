"""Quantiles of counts per bucket."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def bucket_quantile(counts: Sequence[int], bounds: Sequence[float], share: float) -> float:
    """From counts per bucket, in a straight line within a bucket; the last one has no upper bound.

    >>> bucket_quantile([0, 10, 0], [1.0, 2.0], 0.5)
    1.5
    >>> bucket_quantile([0, 0, 10], [1.0, 2.0], 0.5)
    2.0
    """
    reached = list(accumulate(counts))
    wanted = share * reached[-1]
    bucket = bisect_left(reached, wanted)
    if bucket >= len(bounds):
        return bounds[-1]
    low = bounds[bucket - 1] if bucket else 0.0
    below = reached[bucket - 1] if bucket else 0
    return low + (bounds[bucket] - low) * (wanted - below) / counts[bucket]

"""How two cases differ, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from loadlab.analysis.intervals import Interval, intervals
from loadlab.analysis.power import detectable_ratio
from loadlab.analysis.sign_flip import sign_flip_p

if TYPE_CHECKING:
    from numpy.typing import NDArray


ByBlock: TypeAlias = Mapping[int, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """Case over baseline: the median ratio of `blocks` pairs.

    `interval` holds 95 %, `narrow` 90 %: two one-sided tests at 5 % ask whether the latter fits in the margin.
    """

    blocks: int
    ratio: float | None = None
    interval: Interval | None = None
    narrow: Interval | None = None
    p: float | None = None
    mde_ratio: float | None = None


def paired_effect(case: ByBlock, baseline: ByBlock) -> Effect:
    """From the blocks that both have; everything but `blocks` is None where there are too few."""
    differences = log_ratios(case, baseline)
    if not differences.size:
        return Effect(blocks=0)
    built = [Interval(exp(one.low), exp(one.high)) for one in intervals(differences, 0.95, 0.90)]
    interval, narrow = built or (None, None)
    return Effect(
        blocks=int(differences.size),
        ratio=exp(float(np.median(differences))),
        interval=interval,
        narrow=narrow,
        p=sign_flip_p(differences),
        mde_ratio=detectable_ratio(float(differences.std(ddof=1)), differences.size) if built else None,
    )


def log_ratios(case: ByBlock, baseline: ByBlock) -> NDArray[np.float64]:
    """ln(case) - ln(baseline) per block; a value of 0 (nothing succeeded) has no logarithm: no pair."""
    blocks = [block for block in sorted(case.keys() & baseline.keys()) if case[block] > 0 < baseline[block]]
    ours = np.array([case[block] for block in blocks], dtype=np.float64)
    theirs = np.array([baseline[block] for block in blocks], dtype=np.float64)
    return np.log(ours) - np.log(theirs)

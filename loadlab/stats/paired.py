"""How two cases differ, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, log
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from loadlab.stats.intervals import Interval
from loadlab.stats.signed_rank import Averages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadlab.stats.sequential import Look


# Block → value. 0 is a trial that served nothing (and infinity the latency of one), NaN one whose value is not known.
ByBlock: TypeAlias = Mapping[int, float]

COVERED: float = 0.95  # the confidence of intervals that are shown
LARGEST: float = log(1e300)  # beyond it a ratio is as good as infinite


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """Case over baseline: Hodges and Lehmann's estimate of the ratio over `blocks` pairs.

    `interval` holds 95 %, `narrow` 90 %: two one-sided tests at 5 % ask whether the latter fits in the margin. `p` is
    of the test that both invert. `deviation` is that of the log ratios; None where one is infinite or unknown.
    `unknown` pairs have a side whose trial was lost because of its target. In some pair the ratio is 0 (`has_zero`) or
    infinite (`has_infinite`): one side served nothing.
    """

    blocks: int
    ratio: float | None = None
    interval: Interval | None = None
    narrow: Interval | None = None
    p: float | None = None
    deviation: float | None = None
    unknown: int = 0
    has_zero: bool = False
    has_infinite: bool = False


def paired_effect(case: ByBlock, baseline: ByBlock, look: Look | None = None) -> Effect:
    """From the blocks that both have; without any, everything but `blocks` is None.

    A comparison that ended at a `look` has the intervals that hold there.
    """
    differences = log_ratios(case, baseline)
    unknown = int(np.isnan(differences).sum())
    if unknown == differences.size:
        return Effect(blocks=0, unknown=unknown)
    averages = Averages(differences)
    spread = np.isfinite(differences).all() and differences.size > 1
    return Effect(
        blocks=differences.size,
        ratio=ratio_of(float(averages.estimate())),
        interval=_ratios(_interval(averages, COVERED, look)),
        narrow=_ratios(_interval(averages, 0.90, look)),
        p=float(averages.p()),
        deviation=float(differences.std(ddof=1)) if spread else None,
        unknown=unknown,
        has_zero=bool(np.isneginf(differences).any()),
        has_infinite=bool(np.isposinf(differences).any()),
    )


def _interval(averages: Averages, confidence: float, look: Look | None) -> tuple[NDArray[np.float64], ...] | None:
    if look is None or averages.size != look.blocks:
        return averages.interval(confidence)
    cut = look.covers if confidence == COVERED else look.equal
    return None if cut is None else averages.ends(cut)


def log_ratios(case: ByBlock, baseline: ByBlock) -> NDArray[np.float64]:
    """ln(case) - ln(baseline) per block that says something.

    A side that served nothing makes the difference infinite: the most extreme pair, never a missing one. NaN stands
    for a pair of which one side is not known. Two sides that both served nothing, or are both unknown, say nothing
    about which is better, and are no pair.
    """
    blocks = sorted(case.keys() & baseline.keys())
    with np.errstate(divide="ignore", invalid="ignore"):
        ours = np.log(np.array([case[block] for block in blocks], dtype=np.float64))
        theirs = np.log(np.array([baseline[block] for block in blocks], dtype=np.float64))
        differences = ours - theirs
    equally_lost = (np.isinf(ours) & (ours == theirs)) | (np.isnan(ours) & np.isnan(theirs))
    kept: NDArray[np.float64] = differences[~equally_lost]
    return kept


def ratio_of(difference: float) -> float:
    """From a difference of logarithms; 0 or infinity where one side served nothing."""
    return inf if difference > LARGEST else exp(difference)


def log_of(ratio: float) -> float:
    """Its logarithm, of 0 too."""
    return log(ratio) if ratio else -inf


def _ratios(ends: tuple[NDArray[np.float64], ...] | None) -> Interval | None:
    return Interval(*(ratio_of(float(end)) for end in ends)) if ends else None

"""What a paired effect may be called: better, worse, equivalent or inconclusive."""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p
from typing import TYPE_CHECKING

from loadlab.analysis.multiplicity import ALPHA, FEWEST_BLOCKS
from loadlab.analysis.paired import log_of

if TYPE_CHECKING:
    from loadlab.analysis.paired import Effect
    from loadlab.model.findings import Judgement


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """What an effect must clear: `margin` counts as no difference, `noise` (in logs) was seen between twins."""

    margin: float
    noise: float
    higher_is_better: bool


def judge(effect: Effect, bar: Bar, *, p_adjusted: float | None) -> Judgement:
    """Under six blocks always inconclusive; without an adjusted p never better or worse.

    A difference inside the margin counts as none even where it is significant, so equivalence is asked first.
    The margin is the same in both directions on the log scale: a against b says what b against a says.
    """
    if effect.blocks < FEWEST_BLOCKS:
        return "inconclusive"
    if _within(effect, log1p(bar.margin)):
        return "equivalent"
    if p_adjusted is None or effect.ratio is None or not _differs(effect, p_adjusted, bar.noise):
        return "inconclusive"
    return "better" if (effect.ratio > 1) == bar.higher_is_better else "worse"


def _within(effect: Effect, margin: float) -> bool:
    return effect.narrow is not None and -margin < log_of(effect.narrow.low) and log_of(effect.narrow.high) < margin


def _differs(effect: Effect, p_adjusted: float, noise: float) -> bool:
    """The interval inverts the test of which p is, so it excludes 1 wherever p is small enough."""
    if effect.interval is None or effect.ratio is None:
        return False
    excludes_one = effect.interval.low > 1 or effect.interval.high < 1
    return p_adjusted < ALPHA and excludes_one and abs(log_of(effect.ratio)) > noise

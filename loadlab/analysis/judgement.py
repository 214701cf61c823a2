"""What a paired effect may be called: better, worse, equivalent or inconclusive."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log1p
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from loadlab.stats.blocks import ALPHA, FEWEST_BLOCKS
from loadlab.stats.intervals import Interval
from loadlab.stats.paired import log_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from loadlab.model.comparison import Judgement
    from loadlab.stats.paired import Effect
    from loadlab.stats.sequential import Look
    from loadlab.stats.signed_rank import Averages

    Numbers: TypeAlias = float | NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """What an effect must clear: `margin` counts as no difference, `noise` (in logs) was seen between twins."""

    margin: float
    noise: float
    higher_is_better: bool


def judge(effect: Effect, bar: Bar, *, p_adjusted: float | None) -> Judgement:
    """Under six blocks always inconclusive; without an adjusted p never better or worse.

    A difference inside the margin counts as none even where it is significant, so equivalence is asked first.
    The margin is the same in both directions on the log scale: a against b says what b against a says. A side that once
    served nothing where the other served is neither equivalent to it nor better, however small the share of such pairs.
    """
    if effect.blocks < FEWEST_BLOCKS or effect.ratio is None or effect.interval is None:
        return "inconclusive"
    # At an early look, there may be too few blocks for any claim that two cases are equivalent.
    ends = (effect.interval, effect.narrow or Interval(0.0, inf))
    interval, narrow = ((log_of(each.low), log_of(each.high)) for each in ends)
    p = 1.0 if p_adjusted is None else p_adjusted
    direction = called(log_of(effect.ratio), interval, narrow, p, margin=log1p(bar.margin), noise=bar.noise)
    if np.isnan(direction) or (effect.has_zero and direction >= 0) or (effect.has_infinite and direction <= 0):
        return "inconclusive"
    if not direction:
        return "equivalent"
    return "better" if (direction > 0) == bar.higher_is_better else "worse"


def called(  # noqa: PLR0913  all that a verdict rests on
    estimate: Numbers,
    interval: Sequence[Numbers],
    narrow: Sequence[Numbers],
    p: Numbers,
    *,
    margin: float,
    noise: Numbers,
) -> NDArray[np.float64]:
    """The rule itself, in logarithms: 1 or -1 for a difference, 0 for none, NaN where nothing is proven.

    `interval` and `narrow` are (low, high), `p` is adjusted. All of it works on arrays too, element by element.
    """
    equivalent = _inside(narrow, margin)
    # The interval inverts the test of which p is, so it excludes 0 wherever p is small enough.
    excludes = (interval[0] > 0) | (interval[1] < 0)
    differs = (p < ALPHA) & excludes & (np.abs(estimate) > noise)
    return np.where(equivalent, 0.0, np.where(differs, np.sign(estimate), np.nan))


def called_early(averages: Averages, look: Look, *, margin: float, noise: Numbers) -> NDArray[np.float64]:
    """The same at a look before the last block: NaN where the comparison has to go on."""
    estimate = averages.estimate()
    found = np.full_like(estimate, np.nan)
    if look.differs is not None:
        differs = (averages.against() <= look.differs) & (np.abs(estimate) > noise)
        found = np.where(differs, np.sign(estimate), found)
    if look.equal is not None:
        found = np.where(_inside(averages.ends(look.equal), margin), 0.0, found)
    # A difference that is significant, and perhaps none that counts, is neither: more blocks may tell.
    return np.where(np.isfinite(averages.ends(0)).all(axis=0), found, np.nan)


def _inside(narrow: Sequence[Numbers], margin: float) -> NDArray[np.bool_]:
    return np.asarray((-margin < narrow[0]) & (narrow[1] < margin))

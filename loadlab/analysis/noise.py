"""How different a case looks from itself: the bar that every effect must clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.analysis.judgement import Bar
from loadlab.analysis.pairs import declared_pairs
from loadlab.analysis.scalars import HIGHER_IS_BETTER, METRICS
from loadlab.stats.paired import log_of, paired_effect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case


def bars(cases: Sequence[Case], scalars: Scalars, margin: float) -> Mapping[str, Bar]:
    """One per metric. The noisiest replica of the run sets it for all groups; without one it is 0."""
    return {
        metric: Bar(
            margin=margin,
            noise=_noise_floor(cases, scalars, metric),
            higher_is_better=metric in HIGHER_IS_BETTER,
        )
        for metric in METRICS
    }


def _noise_floor(cases: Sequence[Case], scalars: Scalars, metric: str) -> float:
    """The largest |log of the estimated ratio| between a replica and its twin."""
    replicas = (pair for pair in declared_pairs(cases) if pair.question == "noise")
    effects = (
        paired_effect(scalars.get((metric, pair.case), {}), scalars.get((metric, pair.baseline), {}))
        for pair in replicas
    )
    return max((abs(log_of(one.ratio)) for one in effects if one.ratio is not None), default=0.0)

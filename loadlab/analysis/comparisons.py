"""Every declared pair of cases, compared and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.analysis.judgement import judge
from loadlab.analysis.multiplicity import holm
from loadlab.analysis.paired import Effect, paired_effect
from loadlab.analysis.pairs import Pair, declared_pairs
from loadlab.analysis.scalars import METRICS
from loadlab.model.findings import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadlab.analysis.judgement import Bar
    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case


@dataclass(frozen=True, kw_only=True, slots=True)
class Contest:
    """One pair, in one metric."""

    pair: Pair
    metric: str
    effect: Effect

    def in_family(self, primary: str) -> bool:
        """Whether a verdict of better or worse is sought here: these share the run's error of 5 %."""
        return self.pair.question == "keep" and self.metric == primary and self.effect.p is not None


def compare_all(
    cases: Sequence[Case], scalars: Scalars, bars: Mapping[str, Bar], primary: str
) -> tuple[Comparison, ...]:
    """Each case against its baseline, each replica against its twin, unlimited against each finite age.

    Holm's correction covers the baselines in the primary metric: only these can be better or worse. The
    other metrics, the replica and unlimited against finite carry ratio, interval and an uncorrected p. They
    may be called equivalent, which is a claim of its own with its own error of 5 %, but a difference there
    is inconclusive by rule: to find one somewhere among so many is no evidence.
    """
    contests = list(_contests(cases, scalars, primary))
    adjusted = _adjusted(contests, primary)
    return tuple(_comparison(one, bars[one.metric], adjusted.get(index)) for index, one in enumerate(contests))


def _contests(cases: Sequence[Case], scalars: Scalars, primary: str) -> Iterable[Contest]:
    others = [metric for metric in METRICS if metric != primary]
    for pair in declared_pairs(cases):
        for metric in [primary, *([] if pair.question == "unlimited" else others)]:
            effect = paired_effect(scalars.get((metric, pair.case.id), {}), scalars.get((metric, pair.baseline.id), {}))
            yield Contest(pair=pair, metric=metric, effect=effect)


def _adjusted(contests: Sequence[Contest], primary: str) -> dict[int, float]:
    """Holm's p by position, for the members of the family."""
    family = {index: one.effect.p for index, one in enumerate(contests) if one.in_family(primary)}
    p_values = [p for p in family.values() if p is not None]
    return dict(zip(family, holm(p_values), strict=True))


def _comparison(one: Contest, bar: Bar, p_adjusted: float | None) -> Comparison:
    effect = one.effect
    return Comparison(
        case=one.pair.case.id,
        baseline=one.pair.baseline.id,
        metric=one.metric,
        ratio=effect.ratio,
        low=effect.interval.low if effect.interval else None,
        high=effect.interval.high if effect.interval else None,
        p=effect.p,
        p_holm=p_adjusted,
        blocks=effect.blocks,
        mde_ratio=effect.mde_ratio,
        verdict=judge(effect, bar, p_adjusted=p_adjusted),
        question=one.pair.question,
    )

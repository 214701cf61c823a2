"""Every declared pair of cases, compared and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.analysis.judgement import judge
from loadlab.analysis.pairs import Pair, declared_pairs
from loadlab.analysis.scalars import METRICS
from loadlab.model.comparison import Comparison, Question
from loadlab.stats.multiplicity import holm
from loadlab.stats.paired import Effect, paired_effect
from loadlab.stats.power import detectable_ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadlab.analysis.judgement import Bar
    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case

JUDGED: Final[tuple[Question, ...]] = ("keep", "unlimited")


@dataclass(frozen=True, kw_only=True, slots=True)
class Contest:
    """One pair, in one metric."""

    pair: Pair
    metric: str
    effect: Effect

    @property
    def p(self) -> float:
        return 1.0 if self.effect.p is None else self.effect.p


def compare_all(
    cases: Sequence[Case], scalars: Scalars, bars: Mapping[str, Bar], primary: str
) -> tuple[Comparison, ...]:
    """Each case against its baseline, each replica against its twin, unlimited against each finite age.

    Two questions are judged, in the primary metric alone: whether a case is better than its baseline, and whether
    unlimited is better than a finite age. All comparisons that ask the same question, over all groups of the run, are
    one family under Holm's correction. The other metrics and the replica carry ratio, interval and an uncorrected p.
    Any comparison may be called equivalent, which is a claim with an error of 5 % for each margin, uncorrected.
    """
    contests = list(_contests(cases, scalars, primary))
    families = [
        [one for one in contests if one.pair.question == question and one.metric == primary] for question in JUDGED
    ]
    adjusted = {id(one): (p, len(family)) for family in families for one, p in zip(family, _holm(family), strict=True)}
    return tuple(_comparison(one, bars[one.metric], adjusted.get(id(one))) for one in contests)


def family_size(comparisons: Sequence[Comparison], primary: str, question: Question = "keep") -> int:
    """How many comparisons share the error of 5 %: all that the run declares, measured or not."""
    return sum(one.question == question and one.metric == primary for one in comparisons)


def _contests(cases: Sequence[Case], scalars: Scalars, primary: str) -> Iterable[Contest]:
    others = [metric for metric in METRICS if metric != primary]
    for pair in declared_pairs(cases):
        for metric in [primary, *([] if pair.question == "unlimited" else others)]:
            effect = paired_effect(scalars.get((metric, pair.case), {}), scalars.get((metric, pair.baseline), {}))
            yield Contest(pair=pair, metric=metric, effect=effect)


def _holm(family: Sequence[Contest]) -> list[float]:
    """A comparison without any pair counts too: a family that shrinks with what is lost would be no correction."""
    return holm([one.p for one in family])


def _comparison(one: Contest, bar: Bar, corrected: tuple[float, int] | None) -> Comparison:
    """`corrected`: Holm's p and the size of the family, where there is one."""
    effect = one.effect
    p_adjusted = corrected[0] if corrected and effect.p is not None else None
    return Comparison(
        case=one.pair.case,
        baseline=one.pair.baseline,
        metric=one.metric,
        ratio=effect.ratio,
        low=effect.interval.low if effect.interval else None,
        high=effect.interval.high if effect.interval else None,
        p=effect.p,
        p_holm=p_adjusted,
        blocks=effect.blocks,
        mde_ratio=_detectable(effect, bar, corrected[1]) if corrected else None,
        verdict=judge(effect, bar, p_adjusted=p_adjusted),
        question=one.pair.question,
    )


def _detectable(effect: Effect, bar: Bar, family: int) -> float | None:
    if effect.deviation is None:
        return None
    return detectable_ratio(effect.deviation, effect.blocks, family, noise=bar.noise, margin=bar.margin)

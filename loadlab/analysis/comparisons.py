"""Every declared pair of cases, compared and judged."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from loadlab.analysis.judgement import judge
from loadlab.analysis.noise import bars
from loadlab.analysis.pairs import Pair, declared_pairs
from loadlab.analysis.scalars import METRICS
from loadlab.model.comparison import Comparison, Question
from loadlab.model.departure import Why
from loadlab.stats.multiplicity import holm
from loadlab.stats.paired import Effect, paired_effect
from loadlab.stats.power import detectable_ratio
from loadlab.stats.sequential import look_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadlab.analysis.judgement import Bar
    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case
    from loadlab.model.departure import Departure

JUDGED: Final[tuple[Question, ...]] = ("keep", "unlimited", "idle", "side")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What all comparisons of a run share: the bar per metric, the metric that is judged, its blocks."""

    bars: Mapping[str, Bar]
    primary: str
    blocks: int
    min_blocks: int = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Contest:
    """One pair, in one metric; `left` where a side of it left the run before the last block."""

    pair: Pair
    metric: str
    effect: Effect
    left: Departure | None = None

    @property
    def p(self) -> float:
        return 1.0 if self.effect.p is None else self.effect.p

    @property
    def counted_out(self) -> bool:
        return self.left is not None and self.left.why.counted


def compare_all(
    cases: Sequence[Case], scalars: Scalars, rules: Rules, left: Mapping[Case, Departure] = MappingProxyType({})
) -> tuple[Comparison, ...]:
    """Each case against its baseline, each replica against its twin, unlimited against each finite age.

    Four questions are judged, in the primary metric alone: whether a case is better than its baseline, whether
    unlimited is better than a finite age, whether idle connections beside a case change it, and whether this side of a
    run is better than the other. All comparisons that
    ask the same question, over all groups of the run, are one family under Holm's correction, but for cases that left
    by their counts: nothing is asked about their speed. The other metrics and the replica carry ratio, interval and an
    uncorrected p. Any comparison may be called equivalent, which is a claim with an error of 5 % for each margin,
    uncorrected.
    """
    contests = list(_contests(cases, scalars, rules, left))
    families = [[one for one in contests if _is_asked(one, question, rules)] for question in JUDGED]
    adjusted = {id(one): (p, len(family)) for family in families for one, p in zip(family, _holm(family), strict=True)}
    bar_of = _bars(cases, scalars, rules, contests)
    return tuple(_comparison(one, bar_of[_decided_after(one)][one.metric], adjusted.get(id(one))) for one in contests)


def _bars(
    cases: Sequence[Case], table: Scalars, rules: Rules, contests: Sequence[Contest]
) -> Mapping[int | None, Mapping[str, Bar]]:
    """By after how many blocks a comparison was decided: what was noise then. What is decided stays decided."""
    margin = rules.bars[rules.primary].margin
    found: dict[int | None, Mapping[str, Bar]] = {None: rules.bars}
    for blocks in {blocks for one in contests if (blocks := _decided_after(one)) is not None}:
        seen = {key: {block: values[block] for block in values if block < blocks} for key, values in table.items()}
        found[blocks] = bars(cases, seen, margin)
    return found


def _decided_after(one: Contest) -> int | None:
    return one.left.blocks if one.left and one.left.why is Why.DECIDED else None


def family_size(comparisons: Sequence[Comparison], primary: str, question: Question = "keep") -> int:
    """How many comparisons share the error of 5 %: all that the run declares and that no count has decided."""
    return sum(one.question == question and one.metric == primary and one.judged for one in comparisons)


def _is_asked(one: Contest, question: Question, rules: Rules) -> bool:
    return one.pair.question == question and one.metric == rules.primary and not one.counted_out


def _contests(
    cases: Sequence[Case], scalars: Scalars, rules: Rules, left: Mapping[Case, Departure]
) -> Iterable[Contest]:
    others = [metric for metric in METRICS if metric != rules.primary]
    for pair in declared_pairs(cases):
        gone = _gone(pair, left)
        look = look_at(gone.blocks, rules.min_blocks, rules.blocks) if gone and gone.why is Why.DECIDED else None
        for metric in [rules.primary, *([] if pair.question == "unlimited" else others)]:
            values = (scalars.get((metric, pair.case), {}), scalars.get((metric, pair.baseline), {}))
            yield Contest(pair=pair, metric=metric, effect=paired_effect(*values, look=look), left=gone)


def _gone(pair: Pair, left: Mapping[Case, Departure]) -> Departure | None:
    """Of its two sides, the one that left first; counts go before what was compared."""
    sides = [left[case] for case in (pair.case, pair.baseline) if case in left]
    return min(sides, key=lambda one: (not one.why.counted, one.blocks), default=None)


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
        verdict="inconclusive" if one.counted_out else judge(effect, bar, p_adjusted=p_adjusted),
        question=one.pair.question,
        left=one.left.why if one.left else None,
    )


def _detectable(effect: Effect, bar: Bar, family: int) -> float | None:
    if effect.deviation is None:
        return None
    return detectable_ratio(effect.deviation, effect.blocks, family, noise=bar.noise, margin=bar.margin)

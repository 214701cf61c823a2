"""All that the verdict on one group rests on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING, Final

from loadlab.analysis.judgement import Bar, judge
from loadlab.analysis.production import need
from loadlab.analysis.simplicity import order
from loadlab.model.plan import Limits
from loadlab.stats.paired import paired_effect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case
    from loadlab.model.comparison import Comparison, Judgement
    from loadlab.model.condition import Condition
    from loadlab.model.findings import Arm
    from loadlab.model.needs import Need
    from loadlab.stats.paired import Effect

TOLERATED_EXTRA_FAILURES: Final = 0.01  # of all requests, over what fails when each request opens its own


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """`arms` are the group's; `overruns` counts, per case, the complete trials that leaked or were refused.

    `condition` is what the group's cases have in common. `has_others` says whether the run has strategies besides
    CONN_MAX_AGE. `limits` are production's.
    `family` counts the comparisons that share the run's error, `rivals` those of candidates with the best of their
    group, over all groups. `failing` are the shares of requests that failed, per case and complete trial.
    """

    condition: Condition
    arms: Sequence[Arm]
    overruns: Mapping[Case, int]
    comparisons: Sequence[Comparison]
    scalars: Scalars
    metric: str
    bar: Bar
    driver: str = "psycopg2"
    limits: Limits = field(default_factory=Limits)
    has_others: bool = False
    family: int = 0
    rivals: int = 1
    failing: Mapping[Case, Sequence[float]] = field(default_factory=dict)

    @property
    def baseline(self) -> Arm | None:
        closing = [arm for arm in self.arms if arm.case.is_baseline]
        return min(closing, key=lambda arm: arm.case.checks_health, default=None)

    @property
    def kept(self) -> list[Arm]:
        """Arms that keep connections: the smallest age first, unlimited last, unchecked before checked."""
        kept = [arm for arm in self.arms if arm.case.keeps_by_age]
        return sorted(kept, key=_by_age)

    @property
    def candidates(self) -> list[Arm]:
        """Arms that are judged against the baseline: the simplest first."""
        return sorted((arm for arm in self.arms if arm.case.is_candidate), key=lambda arm: order(arm.case))

    def of_ages_alone(self) -> Evidence:
        """As if CONN_MAX_AGE were the only strategy, and every production had room."""
        plain = [arm for arm in self.arms if arm.case.strategy.name == "max_age"]
        return replace(self, arms=plain, limits=Limits(), has_others=False)

    def against_baseline(self, arm: Arm) -> Comparison | None:
        closing = {other.case for other in self.arms if other.case.is_baseline}
        own = (one for one in self.comparisons if one.case == arm.case and one.metric == self.metric)
        return next((one for one in own if one.baseline in closing), None)

    def judgement(self, arm: Arm) -> Judgement:
        comparison = self.against_baseline(arm)
        return comparison.verdict if comparison else "inconclusive"

    def between(self, arm: Arm, other: Arm) -> Effect:
        ours, theirs = ((self.metric, one.case) for one in (arm, other))
        return paired_effect(self.scalars.get(ours, {}), self.scalars.get(theirs, {}))

    def unlimited_beside(self, unlimited: Arm, finite: Arm) -> Comparison | None:
        """The run's own comparison of the two, if it has one."""
        sides = (unlimited.case, finite.case, "unlimited", self.metric)
        found = (one for one in self.comparisons if (one.case, one.baseline, one.question, one.metric) == sides)
        return next(found, None)

    def passed_over(self, arm: Arm, best: Arm) -> bool:
        """Whether a candidate is worse than the best of its group, corrected for all such tests of the run.

        Unlimited and a finite age have a verdict already: no pair has two.
        """
        forth, back = self.unlimited_beside(arm, best), self.unlimited_beside(best, arm)
        if forth or back:
            return (forth is not None and forth.verdict == "worse") or (back is not None and back.verdict == "better")
        effect = self.between(arm, best)
        tests = max(1, self.rivals)
        return judge(effect, self.bar, p_adjusted=None if effect.p is None else min(1.0, effect.p * tests)) == "worse"

    def fit(self, arm: Arm) -> bool:
        """Whether it may be recommended at all: no speed makes up for a leak, refused connections, or a dead trial."""
        return not arm.leaks and not arm.refused and not self.silent(arm) and not self.fails_more(arm)

    def silent(self, arm: Arm) -> list[int]:
        """The blocks in which it served nothing, but for those in which the baseline did not either."""
        own, usual = (_dead(self.scalars, one) for one in (arm, self.baseline))
        return sorted(own if arm is self.baseline else own - usual)

    def need(self, arm: Arm) -> Need | None:
        return need(arm, self.limits)

    def over_limit(self, arm: Arm) -> bool:
        """Whether production's PostgreSQL has no room for it."""
        needed = self.need(arm)
        return needed is not None and needed.fits is False

    def eligible(self, arm: Arm) -> bool:
        """Fit, and with room in production."""
        return self.fit(arm) and not self.over_limit(arm)

    def tried(self, arm: Arm) -> int:
        """How many of its trials say something, those in which it served nothing too."""
        return len(self.scalars.get(("throughput", arm.case), {}))

    def fails_more(self, arm: Arm) -> bool:
        return self.failed_share(arm) > self._tolerated()

    def _tolerated(self) -> float:
        usual = self.failed_share(self.baseline) if self.baseline else 0.0
        return min(usual + TOLERATED_EXTRA_FAILURES, 1 - TOLERATED_EXTRA_FAILURES)

    def failed_share(self, arm: Arm) -> float:
        """Of its requests, or on average over its trials, whichever is more: a trial that hangs makes few requests."""
        pooled = arm.failures / arm.requests if arm.requests else 0.0
        shares = self.failing.get(arm.case)
        return max(pooled, fmean(shares)) if shares else pooled

    def rejected_trials(self, arm: Arm) -> int:
        """How many complete trials show why it is rejected, or too much for production."""
        tolerated = self._tolerated()
        failing = sum(share > tolerated for share in self.failing.get(arm.case, ()))
        throughout = arm.trials if self.over_limit(arm) else 0
        return max(self.overruns.get(arm.case, 0), len(self.silent(arm)), failing, throughout)


def _dead(scalars: Scalars, arm: Arm | None) -> set[int]:
    values = scalars.get(("throughput", arm.case), {}) if arm else {}
    return {block for block, value in values.items() if value == 0}


def _by_age(arm: Arm) -> tuple[float, bool]:
    age = arm.case.max_age
    return (float("inf") if age is None else age, arm.case.checks_health)

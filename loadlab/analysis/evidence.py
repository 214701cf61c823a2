"""All that the verdict on one group rests on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from loadlab.analysis.groups import (
    Group,
    checks_health,
    closes_each_request,
    is_candidate,
    keeps_connections,
    label,
    server_name,
)
from loadlab.analysis.judgement import Bar, judge
from loadlab.analysis.paired import paired_effect
from loadlab.analysis.production import need
from loadlab.analysis.simplicity import order
from loadlab.analysis.wording import age, setting
from loadlab.model.naming import distinct_names
from loadlab.model.plan import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadlab.analysis.paired import Effect
    from loadlab.analysis.scalars import Scalars
    from loadlab.model.case import Case
    from loadlab.model.findings import Arm, Comparison, Judgement, Need

TOLERATED_EXTRA_FAILURES: Final = 0.01  # of all requests, over what fails when each request opens its own


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """`arms` are the group's; `overruns` counts, per case, the complete trials that leaked or were refused.

    `groups` are all of the run, this one included. `strategies` are the names of the run's, by their full names, where
    there are others than CONN_MAX_AGE; without any, an age is name enough. `limits` are production's.
    `family` counts the comparisons that share the run's error.
    """

    group: Group
    groups: Sequence[Group]
    arms: Sequence[Arm]
    overruns: Mapping[str, int]
    comparisons: Sequence[Comparison]
    scalars: Scalars
    metric: str
    bar: Bar
    driver: str = "psycopg2"
    limits: Limits = field(default_factory=Limits)
    strategies: Mapping[str, str] = field(default_factory=dict)
    family: int = 0

    @property
    def label(self) -> str:
        """The group's name among all groups of the run."""
        return label(self.group, self.groups)

    @property
    def server(self) -> str:
        return server_name(self.group, self.groups)

    @property
    def baseline(self) -> Arm | None:
        closing = [arm for arm in self.arms if closes_each_request(arm.case)]
        return min(closing, key=lambda arm: checks_health(arm.case), default=None)

    @property
    def kept(self) -> list[Arm]:
        """Arms that keep connections: the smallest age first, unlimited last, unchecked before checked."""
        kept = [arm for arm in self.arms if keeps_connections(arm.case)]
        return sorted(kept, key=_by_age)

    @property
    def candidates(self) -> list[Arm]:
        """Arms that are judged against the baseline: the simplest first."""
        return sorted((arm for arm in self.arms if is_candidate(arm.case)), key=lambda arm: order(arm.case))

    @property
    def has_others(self) -> bool:
        """Whether the run has strategies besides CONN_MAX_AGE."""
        return bool(self.strategies)

    def of_ages_alone(self) -> Evidence:
        """As if CONN_MAX_AGE were the only strategy, and every production had room."""
        plain = [arm for arm in self.arms if arm.case.strategy.name == "max_age"]
        return replace(self, arms=plain, limits=Limits(), strategies={})

    def name(self, arm: Arm) -> str:
        """An arm within its group: an age alone, e.g. "60 s with health checks"; beside others, its strategy."""
        if self.has_others and arm.case.strategy.name != "max_age":
            return self.strategies.get(str(arm.case.strategy), str(arm.case.strategy))
        value = setting(arm.case.max_age) if self.has_others else age(arm.case.max_age)
        return value + (" with health checks" if checks_health(arm.case) else "")

    @property
    def zero(self) -> str:
        """What the baseline is called."""
        return setting(0) if self.has_others else age(0)

    def against_baseline(self, arm: Arm) -> Comparison | None:
        closing = {other.case.id for other in self.arms if closes_each_request(other.case)}
        own = (one for one in self.comparisons if one.case == arm.case.id and one.metric == self.metric)
        return next((one for one in own if one.baseline in closing), None)

    def judgement(self, arm: Arm) -> Judgement:
        comparison = self.against_baseline(arm)
        return comparison.verdict if comparison else "inconclusive"

    def between(self, arm: Arm, other: Arm) -> Effect:
        ours, theirs = ((self.metric, one.case.id) for one in (arm, other))
        return paired_effect(self.scalars.get(ours, {}), self.scalars.get(theirs, {}))

    def proven(self, arm: Arm, other: Arm) -> Judgement:
        """One candidate against another; Bonferroni corrects for having one such test less than candidates."""
        effect = self.between(arm, other)
        tests = max(1, len(self.candidates) - 1)
        return judge(effect, self.bar, p_adjusted=None if effect.p is None else min(1.0, effect.p * tests))

    def fit(self, arm: Arm) -> bool:
        """Whether it may be recommended at all: no speed makes up for a leak or for refused connections."""
        return not arm.leaks and not arm.refused and not self.fails_more(arm)

    def need(self, arm: Arm) -> Need | None:
        return need(arm, self.limits)

    def over_limit(self, arm: Arm) -> bool:
        """Whether production's PostgreSQL has no room for it."""
        needed = self.need(arm)
        return needed is not None and needed.fits is False

    def sound(self, arm: Arm) -> bool:
        """Fit, and with room in production."""
        return self.fit(arm) and not self.over_limit(arm)

    def fails_more(self, arm: Arm) -> bool:
        usual = failed_share(self.baseline) if self.baseline else 0.0
        return failed_share(arm) > min(usual + TOLERATED_EXTRA_FAILURES, 1 - TOLERATED_EXTRA_FAILURES)

    def unfit_trials(self, arm: Arm) -> int:
        """How many complete trials show what makes it unfit, or too much for production."""
        throughout = self.fails_more(arm) or self.over_limit(arm)
        return max(self.overruns.get(arm.case.id, 0), arm.trials if throughout else 0)


def strategy_names(cases: Iterable[Case]) -> dict[str, str]:
    """Of all strategies, by their full names; empty where there is nothing but CONN_MAX_AGE."""
    choices = [case.strategy for case in cases]
    return distinct_names(choices) if any(choice.name != "max_age" for choice in choices) else {}


def failed_share(arm: Arm) -> float:
    return arm.failures / arm.requests if arm.requests else 0.0


def _by_age(arm: Arm) -> tuple[float, bool]:
    age = arm.case.max_age
    return (float("inf") if age is None else age, checks_health(arm.case))

"""All that the verdict on one group rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.analysis.groups import Group, checks_health, closes_each_request, keeps_connections, label, server_name
from loadlab.analysis.judgement import Bar, judge
from loadlab.analysis.paired import paired_effect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadlab.analysis.paired import Effect
    from loadlab.analysis.scalars import Scalars
    from loadlab.model.findings import Arm, Comparison, Judgement

TOLERATED_EXTRA_FAILURES: Final = 0.01  # of all requests, over what fails when each request opens its own


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """`arms` are the group's; `overruns` counts, per case, the complete trials that leaked or were refused.

    `groups` are all of the run, this one included. Only Django's own strategy is judged: other strategies have
    comparisons, but no CONN_MAX_AGE to choose.
    """

    group: Group
    groups: Sequence[Group]
    arms: Sequence[Arm]
    overruns: Mapping[str, int]
    comparisons: Sequence[Comparison]
    scalars: Scalars
    metric: str
    bar: Bar

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
        """One kept arm against another; Bonferroni corrects for having one such test less than kept arms."""
        effect = self.between(arm, other)
        tests = max(1, len(self.kept) - 1)
        return judge(effect, self.bar, p_adjusted=None if effect.p is None else min(1.0, effect.p * tests))

    def fit(self, arm: Arm) -> bool:
        """Whether it may be recommended at all: no speed makes up for a leak or for refused connections."""
        return not arm.leaks and not arm.refused and not self.fails_more(arm)

    def fails_more(self, arm: Arm) -> bool:
        usual = failed_share(self.baseline) if self.baseline else 0.0
        return failed_share(arm) > min(usual + TOLERATED_EXTRA_FAILURES, 1 - TOLERATED_EXTRA_FAILURES)

    def unfit_trials(self, arm: Arm) -> int:
        """How many complete trials show what makes it unfit."""
        return max(self.overruns.get(arm.case.id, 0), arm.trials if self.fails_more(arm) else 0)


def failed_share(arm: Arm) -> float:
    return arm.failures / arm.requests if arm.requests else 0.0


def _by_age(arm: Arm) -> tuple[float, bool]:
    age = arm.case.max_age
    return (float("inf") if age is None else age, checks_health(arm.case))

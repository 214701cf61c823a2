"""The question behind it all, answered outright: is 600 a good default, would unlimited be better?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.analysis import closed_forms
from loadlab.analysis.decisions import TRIALS_TO_SHOW_A_LEAK, Decision, decide, gain
from loadlab.analysis.objections import harm
from loadlab.analysis.reasons import REUSE_WANTED, beside_unlimited, rate_per_connection
from loadlab.analysis.verdicts import too_few_blocks
from loadlab.model.answers import (
    BestStrategies,
    Chosen,
    DefaultAge,
    Remedies,
    SafeAge,
    Undecided,
    UndecidedConditions,
    UnlimitedAge,
    UnlimitedHere,
)
from loadlab.model.reasons import Ground

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.analysis.evidence import Evidence
    from loadlab.model.answers import Answer
    from loadlab.model.condition import Condition
    from loadlab.model.findings import Arm
    from loadlab.model.reasons import BesideUnlimited

ASKED_SECONDS = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """A group's evidence, and what was decided on it."""

    evidence: Evidence
    decision: Decision

    @property
    def keeps(self) -> bool:
        return self.decision.keeps

    @property
    def leaks(self) -> bool:
        """Whether keeping connections is known to do harm here; a single trial without success may be an accident."""
        return not self.keeps and any(
            arm.leaks or arm.refused or len(self.evidence.silent(arm)) >= TRIALS_TO_SHOW_A_LEAK
            for arm in self.evidence.kept
        )

    @property
    def gains_nothing(self) -> bool:
        return self.decision.ground is Ground.NO_GAIN and not self.leaks

    @property
    def undecided(self) -> bool:
        return self.decision.chosen is None and not self.leaks

    def of_ages_alone(self) -> Decided:
        """What would be decided if there were nothing but CONN_MAX_AGE."""
        plain = self.evidence.of_ages_alone()
        return Decided(evidence=plain, decision=decide(plain))


def answer(decided: Sequence[Decided]) -> tuple[Answer, ...]:
    """What the run says of CONN_MAX_AGE; where there are other strategies, first which of all to use."""
    if not any(one.evidence.has_others for one in decided):
        return tuple(_on_ages(decided))
    return tuple(_on_strategies(decided))


def _on_ages(decided: Sequence[Decided]) -> Iterator[Answer]:
    yield _default_age(decided)
    yield _unlimited_age(decided)
    leaking = tuple(one.evidence.condition for one in decided if one.leaks)
    yield SafeAge(chosen=_chosen(one for one in decided if one.keeps), leaking=leaking)
    yield from _doubt([one for one in decided if one.undecided])


def _on_strategies(decided: Sequence[Decided]) -> Iterator[Answer]:
    """The questions on 600 and on unlimited come last, where ages were among the strategies."""
    yield BestStrategies(chosen=_chosen(decided))
    leaking = [one for one in decided if any(arm.leaks for arm in one.evidence.kept)]
    if leaking:
        yield Remedies(
            leaking=tuple(one.evidence.condition for one in leaking),
            chosen=_chosen(one for one in leaking if one.keeps),
        )
    yield from _doubt([one for one in decided if one.decision.chosen is None])
    measured = [plain for one in decided if (plain := one.of_ages_alone()).evidence.kept]
    if measured:
        yield _default_age(measured)
        yield _unlimited_age(measured)


def _chosen(decided: Iterable[Decided]) -> tuple[Chosen, ...]:
    """What is recommended in each group, if anything; closing after each request gains nothing."""
    return tuple(
        Chosen(
            condition=one.evidence.condition,
            case=one.decision.chosen.case,
            gain=(gain(one.evidence, one.decision.chosen) or None) if one.keeps else None,
        )
        for one in decided
        if one.decision.chosen is not None
    )


def _default_age(decided: Sequence[Decided]) -> DefaultAge:
    keeping = [one for one in decided if one.keeps]
    leaking = [one for one in decided if one.leaks]
    worst = max(leaking, key=lambda one: max(arm.peak for arm in one.evidence.kept), default=None)
    arms = [arm for one in keeping for arm in one.evidence.kept]
    return DefaultAge(
        keeping=_conditions(keeping),
        leaking=_conditions(leaking),
        idle=_conditions(one for one in decided if one.gains_nothing),
        worst=worst.evidence.condition if worst else None,
        harm=harm(worst.evidence) if worst else None,
        measured=any(arm.case.max_age == ASKED_SECONDS for arm in arms),
        leak="no" if all(arm.leak == "no" for arm in arms) else "cannot tell",
        enough_seconds=_enough(keeping),
        wanted=REUSE_WANTED,
    )


def _conditions(decided: Iterable[Decided]) -> tuple[Condition, ...]:
    return tuple(one.evidence.condition for one in decided)


def _enough(keeping: Iterable[Decided]) -> float | None:
    """600 itself may not have been measured; the closed form says what any longer age can still add."""
    chosen = (one.decision.chosen for one in keeping)
    rates = (rate for arm in chosen if arm and (rate := rate_per_connection(arm)))
    return max((closed_forms.smallest_age(REUSE_WANTED, rate) for rate in rates), default=None)


def _unlimited_age(decided: Sequence[Decided]) -> UnlimitedAge:
    """Asked where connections may be kept; where they leak, a longer life is no remedy."""
    beside = ((one.evidence.condition, _beside_unlimited(one)) for one in decided)
    return UnlimitedAge(
        compared=tuple(UnlimitedHere(condition=condition, beside=seen) for condition, seen in beside if seen),
        leaks=any(arm.case.max_age is None and arm.leaks for one in decided for arm in one.evidence.kept),
    )


def _beside_unlimited(one: Decided) -> BesideUnlimited | None:
    """Unlimited against the chosen age, else against the first finite one that is fit."""
    finite = [arm for arm in one.evidence.kept if arm.case.max_age is not None and one.evidence.fit(arm)]
    reference: Arm | None = one.decision.chosen if one.decision.chosen in finite else next(iter(finite), None)
    return beside_unlimited(one.evidence, reference) if reference else None


def _doubt(undecided: Sequence[Decided]) -> Iterator[UndecidedConditions]:
    if undecided:
        yield UndecidedConditions(
            conditions=tuple(
                Undecided(
                    condition=one.evidence.condition,
                    ground=one.decision.ground,
                    blocks=too_few_blocks(one.evidence, one.decision.ground),
                )
                for one in undecided
            )
        )

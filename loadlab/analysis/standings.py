"""Ranks every strategy of a group: the recommended first, then by gain, then what was ruled out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.analysis.decisions import Decision, gain
from loadlab.analysis.deployment import strategy_of
from loadlab.analysis.objections import objection
from loadlab.model.findings import Place, Standing

if TYPE_CHECKING:
    from loadlab.analysis.evidence import Evidence
    from loadlab.model.findings import Arm

ORDER: Final[tuple[Place, ...]] = (
    "recommended",
    "runner_up",
    "sound",
    "baseline",
    "over_limit",
    "unfit",
    "unmeasured",
)
SIDE_BY_SIDE: Final = ("sound", "baseline")  # the baseline is one among those that nothing speaks against


def standings(evidence: Evidence, decision: Decision) -> tuple[Standing, ...]:
    """All arms of the group but replicas."""
    arms = [arm for arm in evidence.arms if not arm.case.replica]
    placed = sorted(((_place(evidence, decision, arm), arm) for arm in arms), key=lambda one: _rank(evidence, *one))
    return tuple(_standing(evidence, place, arm) for place, arm in placed)


def _standing(evidence: Evidence, place: Place, arm: Arm) -> Standing:
    strategy = strategy_of(arm.case.strategy)
    return Standing(
        case=arm.case,
        place=place,
        objection=objection(evidence, arm),
        need=evidence.need(arm),
        gives_up=strategy.gives_up if strategy and not arm.case.is_baseline else (),
    )


def _place(evidence: Evidence, decision: Decision, arm: Arm) -> Place:
    if not arm.trials:
        return "unmeasured"
    if arm is decision.chosen:
        return "recommended"
    if arm is decision.runner_up:
        return "runner_up"
    if not evidence.fit(arm):
        return "unfit"
    if evidence.over_limit(arm):
        return "over_limit"
    return "baseline" if arm.case.is_baseline else "sound"


def _rank(evidence: Evidence, place: Place, arm: Arm) -> tuple[int, float]:
    level = ORDER.index(SIDE_BY_SIDE[0] if place in SIDE_BY_SIDE else place)
    own = 1.0 if arm.case.is_baseline else gain(evidence, arm)
    return level, -own

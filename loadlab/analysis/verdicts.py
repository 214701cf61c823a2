"""A decision on a group, with its reasons, figures and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.analysis.decisions import enough_blocks, gain
from loadlab.analysis.objections import against, harm, objection
from loadlab.analysis.reasons import reasons, speed
from loadlab.analysis.recommendations import recommendation
from loadlab.analysis.standings import standings
from loadlab.analysis.strategy_reasons import in_production, strategy_reasons
from loadlab.model.findings import Verdict
from loadlab.model.reasons import Gain, Ground, SharedObjection, TooFewBlocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.analysis.decisions import Decision
    from loadlab.analysis.evidence import Evidence
    from loadlab.model.findings import Arm, Recommendation
    from loadlab.model.reasons import Reason


def verdict(evidence: Evidence, decision: Decision) -> Verdict:
    recommend = recommendation(decision.chosen, evidence.driver)
    return Verdict(
        condition=evidence.condition,
        cases=tuple(arm.case for arm in evidence.arms if not arm.case.replica),
        kind=decision.ground,
        figures=tuple(_figures(evidence, decision)),
        recommend=recommend,
        reasons=tuple(_reasons(evidence, decision, recommend)),
        runner_up=recommendation(decision.runner_up, evidence.driver),
        ranking=standings(evidence, decision),
    )


def too_few_blocks(evidence: Evidence, ground: Ground) -> TooFewBlocks | None:
    """How many there are and how many it takes, where that is why nothing is recommended."""
    if ground is not Ground.TOO_FEW_BLOCKS:
        return None
    blocks = [one.blocks for one in map(evidence.against_baseline, evidence.candidates) if one and one.judged]
    return TooFewBlocks(blocks=min(blocks, default=0), needed=enough_blocks(evidence), comparisons=evidence.family)


def _reasons(evidence: Evidence, decision: Decision, recommend: Recommendation | None) -> Iterator[Reason]:
    if evidence.has_others:
        yield from strategy_reasons(evidence, decision, recommend)
        return
    room = tuple(_room(evidence, decision)) if evidence.limits.max_connections is not None else ()
    if decision.ground is Ground.FITS:  # what decides comes first
        yield from (*room, *reasons(evidence, decision))
        return
    yield from (*reasons(evidence, decision), *room)


def _room(evidence: Evidence, decision: Decision) -> Iterator[Reason]:
    if decision.chosen:
        yield from in_production(evidence, decision.chosen)
    yield from against(evidence)


def _figures(evidence: Evidence, decision: Decision) -> Iterator[Reason]:
    """What the one sentence of the verdict says."""
    chosen = decision.chosen
    if chosen is None:
        few = too_few_blocks(evidence, decision.ground)
        yield from [few] if few else []
    elif decision.ground in (Ground.FASTER, Ground.FITS):
        yield _gain(evidence, chosen)
    elif decision.ground is Ground.ALL_REJECTED:
        yield from _all_rejected(evidence)
    else:
        yield from (speed(evidence, arm) for arm in _closest(evidence))


def _gain(evidence: Evidence, arm: Arm) -> Gain:
    return Gain(
        case=arm.case,
        comparison=evidence.against_baseline(arm),
        connections=arm.left_open or arm.peak,
        pooled=arm.clients_peak is not None,
    )


def _all_rejected(evidence: Evidence) -> Iterator[Reason]:
    if not evidence.has_others and any(not evidence.fit(arm) for arm in evidence.kept):
        yield harm(evidence)
        return
    for arm in evidence.candidates:
        if why := objection(evidence, arm):
            yield SharedObjection(cases=(arm.case,), objection=why)


def _closest(evidence: Evidence) -> list[Arm]:
    """All eligible arms; where there are several strategies, the one with the largest gain."""
    eligible = [arm for arm in evidence.candidates if evidence.eligible(arm)]
    return [max(eligible, key=lambda arm: gain(evidence, arm))] if evidence.has_others else eligible

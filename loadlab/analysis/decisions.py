"""Which CONN_MAX_AGE the evidence on a group carries, if any."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from loadlab.analysis.multiplicity import FEWEST_BLOCKS

if TYPE_CHECKING:
    from loadlab.analysis.evidence import Evidence
    from loadlab.model.findings import Arm

TRIALS_TO_SHOW_A_LEAK: Final = 2  # a leak is counted, not timed: seen twice it is no accident


class Ground(StrEnum):
    """Why a decision fell as it did."""

    FASTER = "a kept connection is proven better"
    NO_GAIN = "every sound way of keeping connections is equivalent or worse"
    ALL_UNFIT = "every way of keeping connections leaks, is refused or fails"
    NOTHING_KEPT = "no case keeps connections"
    NO_BASELINE = "no complete trial with CONN_MAX_AGE = 0 to compare with"
    BASELINE_UNFIT = "closing after each request is unfit too"
    ALL_FAILED = "no request succeeded"
    TOO_FEW_BLOCKS = "too few blocks"
    UNPROVEN = "the comparisons are inconclusive"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    chosen: Arm | None
    ground: Ground

    @property
    def keeps(self) -> bool:
        return self.chosen is not None and self.chosen.case.max_age != 0


def decide(evidence: Evidence) -> Decision:
    """A leak overrules any gain, then a proven gain decides; without proof there is no recommendation."""
    baseline = evidence.baseline
    if baseline is None or not baseline.trials:
        return Decision(chosen=None, ground=Ground.NO_BASELINE)
    if baseline.failures == baseline.requests:
        return Decision(chosen=None, ground=Ground.ALL_FAILED)
    if not evidence.kept:
        return Decision(chosen=None, ground=Ground.NOTHING_KEPT)
    fit = [arm for arm in evidence.kept if evidence.fit(arm)]
    better = [arm for arm in fit if evidence.judgement(arm) == "better"]
    if better:
        return Decision(chosen=_preferred(evidence, better), ground=Ground.FASTER)
    return _without_gain(evidence, baseline, fit)


def _preferred(evidence: Evidence, better: list[Arm]) -> Arm:
    """The smallest finite age not proven worse than the best one; unlimited only if proven better than that.

    `better` is in the order of ages.
    """
    finite = [arm for arm in better if arm.case.max_age is not None]
    if not finite:
        return better[0]
    best = max(finite, key=lambda arm: _gain(evidence, arm))
    chosen = next(arm for arm in finite if evidence.proven(arm, best) != "worse")
    unlimited = (arm for arm in better if arm.case.max_age is None)
    proven = (arm for arm in unlimited if evidence.proven(arm, chosen) == "better")
    return next(proven, chosen)


def _without_gain(evidence: Evidence, baseline: Arm, fit: list[Arm]) -> Decision:
    if not evidence.fit(baseline):
        return Decision(chosen=None, ground=Ground.BASELINE_UNFIT)
    if not fit:
        seen = min(evidence.unfit_trials(arm) for arm in evidence.kept)
        enough = seen >= TRIALS_TO_SHOW_A_LEAK
        return Decision(
            chosen=baseline if enough else None, ground=Ground.ALL_UNFIT if enough else Ground.TOO_FEW_BLOCKS
        )
    judgements = {evidence.judgement(arm) for arm in fit}
    if judgements <= {"equivalent", "worse"}:
        return Decision(chosen=baseline, ground=Ground.NO_GAIN)
    return Decision(chosen=None, ground=_why_unproven(evidence, fit))


def _why_unproven(evidence: Evidence, fit: list[Arm]) -> Ground:
    blocks = [one.blocks for one in map(evidence.against_baseline, fit) if one]
    return Ground.TOO_FEW_BLOCKS if min(blocks, default=0) < FEWEST_BLOCKS else Ground.UNPROVEN


def _gain(evidence: Evidence, arm: Arm) -> float:
    comparison = evidence.against_baseline(arm)
    if comparison is None or not comparison.ratio:
        return 0.0
    return comparison.ratio if evidence.bar.higher_is_better else 1 / comparison.ratio

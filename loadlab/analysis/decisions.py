"""Which strategy the evidence on a group carries, if any."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from loadlab.analysis.simplicity import same_way
from loadlab.model.reasons import Ground
from loadlab.stats.blocks import blocks_needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.analysis.evidence import Evidence
    from loadlab.model.findings import Arm

TRIALS_TO_SHOW_A_LEAK: Final = 2  # a leak is counted, not timed: seen twice it is no accident


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """`best` is the one with the largest gain of those that are proven better, as the `runner_up` is one of them."""

    chosen: Arm | None
    ground: Ground
    runner_up: Arm | None = None
    best: Arm | None = None

    @property
    def keeps(self) -> bool:
        """Whether it is anything but closing after each request."""
        return self.chosen is not None and self.chosen.case.is_candidate


def decide(evidence: Evidence) -> Decision:
    """A leak overrules any gain, then a proven gain decides; without proof there is no recommendation."""
    baseline = evidence.baseline
    if baseline is None or not baseline.trials:
        return Decision(chosen=None, ground=Ground.NO_BASELINE)
    if baseline.failures == baseline.requests:
        return Decision(chosen=None, ground=Ground.ALL_FAILED)
    if not evidence.candidates:
        return Decision(chosen=None, ground=Ground.NOTHING_KEPT)
    eligible = [arm for arm in evidence.candidates if evidence.eligible(arm)]
    better = [arm for arm in eligible if evidence.judgement(arm) == "better"]
    if better:
        clear = [arm for arm in better if arm.leak == "no"]
        return _among(evidence, clear) if clear else Decision(chosen=None, ground=Ground.LEAK_UNKNOWN)
    return _without_gain(evidence, baseline, eligible)


def _among(evidence: Evidence, better: Sequence[Arm]) -> Decision:
    """The runner-up comes by the same rule, from what is another way: another age, or another size, is none."""
    chosen = _preferred(evidence, better)
    others = [arm for arm in better if not same_way(arm.case, chosen.case)]
    return Decision(
        chosen=chosen,
        ground=Ground.FASTER,
        runner_up=_preferred(evidence, others) if others else None,
        best=_largest(evidence, better),
    )


def _preferred(evidence: Evidence, better: Sequence[Arm]) -> Arm:
    """The simplest that is not proven worse than the best one; `better` has the simplest first."""
    best = _largest(evidence, better)
    return next(arm for arm in better if not evidence.passed_over(arm, best))


def _largest(evidence: Evidence, better: Sequence[Arm]) -> Arm:
    return max(better, key=lambda arm: gain(evidence, arm))


def _without_gain(evidence: Evidence, baseline: Arm, eligible: list[Arm]) -> Decision:
    as_good = [arm for arm in eligible if evidence.judgement(arm) == "equivalent" and arm.leak == "no"]
    if as_good and evidence.fit(baseline) and evidence.over_limit(baseline):
        return replace(_among(evidence, as_good), ground=Ground.FITS)
    if eligible and evidence.fit(baseline) and evidence.over_limit(baseline):
        return Decision(chosen=None, ground=_why_unproven(evidence, eligible))
    if not evidence.eligible(baseline):
        return Decision(chosen=None, ground=Ground.BASELINE_REJECTED)
    if not eligible:
        return _all_rejected(evidence, baseline)
    judgements = {evidence.judgement(arm) for arm in eligible}
    if judgements <= {"equivalent", "worse"}:
        return Decision(chosen=baseline, ground=Ground.NO_GAIN)
    return Decision(chosen=None, ground=_why_unproven(evidence, eligible))


def _all_rejected(evidence: Evidence, baseline: Arm) -> Decision:
    if min(evidence.rejected_trials(arm) for arm in evidence.candidates) >= TRIALS_TO_SHOW_A_LEAK:
        return Decision(chosen=baseline, ground=Ground.ALL_REJECTED)
    unproven = _why_unproven(evidence, evidence.candidates)
    return Decision(chosen=None, ground=Ground.SEEN_ONCE if unproven is Ground.UNPROVEN else unproven)


def _why_unproven(evidence: Evidence, eligible: list[Arm]) -> Ground:
    blocks = [one.blocks for one in map(evidence.against_baseline, eligible) if one and one.judged]
    return Ground.TOO_FEW_BLOCKS if min(blocks, default=0) < enough_blocks(evidence) else Ground.UNPROVEN


def enough_blocks(evidence: Evidence) -> int:
    """The fewest with which anything could be proven among so many comparisons."""
    return blocks_needed(max(1, evidence.family))


def gain(evidence: Evidence, arm: Arm) -> float:
    """How many times as good as the baseline, whichever direction is good; 0 where nothing was compared."""
    comparison = evidence.against_baseline(arm)
    if comparison is None or not comparison.ratio:
        return 0.0
    return comparison.ratio if evidence.bar.higher_is_better else 1 / comparison.ratio

"""Caveats on trials that a median would hide: those that served nothing, and those whose figures are not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.caveats import Caveat, CaveatKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.analysis.arms import MeasuredTrial
    from loadlab.model.case import Case
    from loadlab.model.caveats import Figures
    from loadlab.model.comparison import Comparison
    from loadlab.model.findings import Arm, RunSummary

SHOWN: Final = 0.005  # a ratio nearer to 1 is spelt 1.00×


def lost_trials(everything: Sequence[MeasuredTrial], comparisons: Sequence[Comparison]) -> Iterator[Caveat]:
    """One for each case that served nothing somewhere, or did not keep up; then pairs that say nothing for that."""
    silent = _blocks(everything, [one.summary.silent for one in everything])
    unknown = _blocks(everything, [one.summary.outpaced and not one.summary.silent for one in everything])
    for kind, found in ((CaveatKind.TRIALS_SILENT, silent), (CaveatKind.TRIALS_OUTPACED, unknown)):
        for case, blocks in found.items():
            yield Caveat(kind=kind, subject=case, figures={"blocks": tuple(blocks)})
    for case, baseline in dict.fromkeys((one.case, one.baseline) for one in comparisons):
        both = sorted(set(silent.get(case, ())) & set(silent.get(baseline, ())))
        if both:
            figures: Figures = {"blocks": tuple(both), "baseline": baseline}
            yield Caveat(kind=CaveatKind.PAIRS_SILENT, subject=case, figures=figures)


def contradictions(run: RunSummary, arms: Sequence[Arm], comparisons: Sequence[Comparison]) -> Iterator[Caveat]:
    """Where medians over all blocks point the other way than the ratio, which is paired by block."""
    if run.primary_metric != "throughput":
        return
    measured = {arm.case: arm for arm in arms if arm.throughput}
    for one in comparisons:
        ours, theirs = measured.get(one.case), measured.get(one.baseline)
        if one.metric != run.primary_metric or not one.ratio or not ours or not theirs:
            continue
        median, baseline = _median(ours), _median(theirs)
        if median and baseline and abs(one.ratio - 1) >= SHOWN and (median - baseline) * (one.ratio - 1) < 0:
            figures: Figures = {
                "baseline_median": baseline,
                "median": median,
                "baseline": theirs.case,
                "ratio": one.ratio,
            }
            yield Caveat(kind=CaveatKind.MEDIANS_CONTRADICT, subject=ours.case, figures=figures)


def _median(arm: Arm) -> float:
    return arm.throughput.value if arm.throughput else 0.0


def _blocks(everything: Sequence[MeasuredTrial], chosen: Sequence[bool]) -> Mapping[Case, list[int]]:
    """Per case, the blocks of its chosen trials."""
    blocks: dict[Case, list[int]] = {}
    for one, wanted in zip(everything, chosen, strict=True):
        if wanted:
            blocks.setdefault(one.trial.case, []).append(one.trial.block)
    return blocks

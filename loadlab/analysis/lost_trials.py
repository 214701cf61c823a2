"""Caveats on trials that a median would hide: those that served nothing, and those whose figures are not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.analysis.wording import listing, number, times
from loadlab.model.findings import Caveat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.analysis.arms import Measured
    from loadlab.model.case import Case
    from loadlab.model.findings import Arm, Comparison, RunSummary


def lost_trials(everything: Sequence[Measured], comparisons: Sequence[Comparison]) -> Iterator[Caveat]:
    """One for each case that served nothing somewhere, or did not keep up; then pairs that say nothing for that."""
    silent = _blocks(everything, [one.summary.silent for one in everything])
    unknown = _blocks(everything, [one.summary.outpaced and not one.summary.silent for one in everything])
    for case, blocks in silent.items():
        yield Caveat(
            subject=case.id,
            text=f"Nothing was served in block {_listed(blocks)}: the throughput is 0 there, and there is no latency.",
            advice=(
                "In comparisons such a trial is the most extreme one. A case is not recommended where its baseline "
                "served something in that block."
            ),
        )
    for case, blocks in unknown.items():
        yield Caveat(
            subject=case.id,
            text=f"The target did not keep up with the load in block {_listed(blocks)}: its speed there is not known.",
            advice="Such a trial counts against every verdict on the case; a lower rate measures it.",
        )
    for pair in dict.fromkeys((one.case, one.baseline) for one in comparisons):
        both = sorted(set(silent.get(pair[0], ())) & set(silent.get(pair[1], ())))
        if both:
            yield Caveat(
                subject=pair[0].id,
                text=f"In block {_listed(both)} neither this case nor {pair[1].id} served anything.",
                advice="Such a pair says nothing about which is better, and is left out.",
            )


def contradictions(run: RunSummary, arms: Sequence[Arm], comparisons: Sequence[Comparison]) -> Iterator[Caveat]:
    """Where medians over all blocks point the other way than the ratio, which is paired by block."""
    if run.primary_metric != "throughput":
        return
    medians = {arm.case: arm.throughput.value for arm in arms if arm.throughput}
    for one in comparisons:
        ours, theirs = medians.get(one.case), medians.get(one.baseline)
        if one.metric != run.primary_metric or not one.ratio or not ours or not theirs:
            continue
        if number(one.ratio) != number(1.0) and (ours - theirs) * (one.ratio - 1) < 0:
            yield Caveat(
                subject=one.case.id,
                text=(
                    f"The medians of throughput go from {number(theirs)} to {number(ours)} requests/s, against "
                    f"{one.baseline.id}; the ratio is {times(one.ratio)}."
                ),
                advice="The ratio is paired by block, so what the machine did over time is not in it. Trust the ratio.",
            )


def _blocks(everything: Sequence[Measured], chosen: Sequence[bool]) -> Mapping[Case, list[int]]:
    """Per case, the blocks of its chosen trials."""
    blocks: dict[Case, list[int]] = {}
    for one, wanted in zip(everything, chosen, strict=True):
        if wanted:
            blocks.setdefault(one.trial.case, []).append(one.trial.block)
    return blocks


def _listed(blocks: Sequence[int]) -> str:
    return listing([str(block) for block in blocks])

"""The comparisons of a report as tables: those that are judged, and all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.report import numbers
from loadlab.report.content.table import Column, Table, number_columns, text_columns
from loadlab.report.labels import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.case import Case
    from loadlab.model.comparison import Comparison, Question
    from loadlab.model.findings import Findings

ORDER: Final[tuple[Question, ...]] = ("side", "keep", "unlimited", "idle", "noise")


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparisons:
    """Those that are judged, and all others, which are shown with their intervals alone."""

    judged: Table
    others: Table


def build(findings: Findings) -> Comparisons:
    """Every comparison with its baseline, the A/A arm last."""
    primary = findings.run.primary_metric
    ordered = sorted(findings.comparisons, key=lambda comparison: ORDER.index(comparison.question))
    return Comparisons(
        judged=_comparisons(
            findings,
            [one for one in ordered if _judged(one, primary)],
            "Each case against its baseline, paired by block",
        ),
        others=_comparisons(
            findings,
            [one for one in ordered if not _judged(one, primary)],
            "Other metrics: intervals without a verdict",
        ),
    )


def _comparisons(findings: Findings, chosen: Sequence[Comparison], caption: str) -> Table:
    names = Labels.of(findings)
    return Table(
        caption=caption,
        columns=(
            *text_columns("Case", "Baseline", "Metric"),
            *number_columns("Ratio", "95 % interval", "p", "p (Holm)", "Blocks", "Smallest detectable"),
            Column(title="Verdict", kind="judgement"),
        ),
        rows=tuple(
            (
                *_sides(names, comparison.case, comparison.baseline),
                *_comparison_figures(comparison, findings.run.primary_metric),
            )
            for comparison in chosen
        ),
    )


def _sides(names: Labels, case: Case, baseline: Case) -> tuple[str, str]:
    """The names of both; a baseline in the same server mode needs its strategy only."""
    same_mode = case.group == baseline.group
    return names.case(case), names.strategy(baseline.strategy) if same_mode else names.case(baseline)


def _comparison_figures(comparison: Comparison, primary_metric: str) -> tuple[str, ...]:
    return (
        numbers.metric(comparison.metric),
        numbers.ratio(comparison.ratio),
        numbers.interval(comparison.low, comparison.high) or numbers.MISSING,
        numbers.probability(comparison.p),
        numbers.probability(comparison.p_holm),
        numbers.count(comparison.blocks),
        numbers.ratio(comparison.mde_ratio),
        _judgement(comparison, primary_metric),
    )


def _judgement(comparison: Comparison, primary_metric: str) -> str:
    if not comparison.judged:
        return numbers.DECIDED_BY_COUNTS
    return comparison.verdict if _judged(comparison, primary_metric) else numbers.NOT_JUDGED


def _judged(comparison: Comparison, primary_metric: str) -> bool:
    """Only the declared questions, in the declared metric, are judged; "inconclusive" would be taken for weighed."""
    declared = comparison.question != "noise" and comparison.metric == primary_metric
    return declared or comparison.verdict != "inconclusive"

"""The matrix of server modes × strategies: what each arm did, beside its baseline."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from loadlab.report.content import naming, wording
from loadlab.report.content.naming import Mode, Naming, Tone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.case import Choice
    from loadlab.model.findings import Arm, Comparison, Findings, Judgement

BASELINE = "baseline"


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A strategy's name and look: `shade` (0 to 2) tells several strategies of one tone apart."""

    label: str
    tone: Tone
    shade: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One arm in words. `judgement` is None for a baseline and for an arm that was not compared."""

    throughput: str
    ratio: str
    opens: str
    peak: str
    leaks: bool
    judgement: Judgement | None
    measured: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    mode: Mode
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]


def build(findings: Findings) -> Matrix:
    """One row per server mode and load, one column per strategy; A/A arms are left to the noise floor."""
    names = Naming.of(findings)
    columns = strategies(findings.arms)
    compared = primary_comparisons(findings)
    cells = {
        (names.mode(arm.case), str(arm.case.strategy)): _cell(arm, compared, findings.run.primary_metric)
        for arm in measured_once(findings.arms)
    }
    rows = (
        Row(mode=mode, cells=tuple(cells.get((mode, str(choice))) for choice in columns)) for mode in modes(findings)
    )
    return Matrix(headings=headings(columns), rows=tuple(rows))


def headings(columns: Sequence[Choice]) -> tuple[Heading, ...]:
    """One per strategy, in the same order."""
    tones = [naming.tone(choice) for choice in columns]
    return tuple(
        Heading(label=naming.strategy(choice), tone=tone, shade=min(2, tones[:i].count(tone)))
        for i, (choice, tone) in enumerate(zip(columns, tones, strict=True))
    )


def measured_once(arms: Sequence[Arm]) -> list[Arm]:
    """The arms without the A/A replicas."""
    return [arm for arm in arms if not arm.case.replica]


def modes(findings: Findings) -> list[Mode]:
    """Every server mode and load of the run, in the order of the plan."""
    names = Naming.of(findings)
    return list(dict.fromkeys(names.mode(arm.case) for arm in measured_once(findings.arms)))


def strategies(arms: Sequence[Arm]) -> list[Choice]:
    """Every strategy of the run: ages ascending, unlimited last of them, then all others by name."""
    by_name = {str(arm.case.strategy): arm.case.strategy for arm in arms}
    return sorted(by_name.values(), key=_column_order)


def _column_order(choice: Choice) -> tuple[bool, float, str]:
    value = choice.parameters.get("max_age", 0)
    seconds = float(value) if isinstance(value, int | float) else inf
    return naming.tone(choice) == "other", seconds, str(choice)


def primary_comparisons(findings: Findings) -> dict[str, Comparison]:
    """The comparison of each case with its baseline on the run's primary metric, by case id."""
    metric = findings.run.primary_metric
    return {one.case: one for one in findings.comparisons if one.metric == metric and one.question == "keep"}


def _cell(arm: Arm, compared: dict[str, Comparison], metric: str) -> Cell:
    comparison = compared.get(arm.case.id)
    is_baseline = any(other.baseline == arm.case.id for other in compared.values())
    return Cell(
        throughput=wording.estimate(arm.throughput),
        ratio=_ratio(comparison, metric) if comparison else BASELINE if is_baseline else wording.MISSING,
        opens=wording.figure(arm.opens_per_request),
        peak=f"{wording.count(arm.peak)} of {wording.count(arm.case.usable_connections)}",
        leaks=arm.leaks,
        judgement=comparison.verdict if comparison else None,
        measured=arm.trials > 0,
    )


def _ratio(comparison: Comparison, metric: str) -> str:
    # Beside a throughput a bare ratio speaks of throughput; any other metric has to be named.
    prefix = "" if metric == "throughput" else f"{wording.metric(metric)} "
    return prefix + wording.ratio_of(comparison)

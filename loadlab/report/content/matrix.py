"""The matrix of server modes × strategies: what each arm did, beside its baseline."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from loadlab.report import labels, numbers
from loadlab.report.labels import Labels, Mode, Tone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.case import Case
    from loadlab.model.comparison import Comparison, Judgement
    from loadlab.model.condition import Condition
    from loadlab.model.config import Config
    from loadlab.model.findings import Arm, Findings, Leak

BASELINE = "baseline"

Mark = tuple[tuple[float, float], ...]  # the corners of a shape around (0, 0), 6 in each direction
# As many marks as there are colours.
OTHER_MARKS: tuple[Mark, ...] = (
    ((0, -6), (6, 0), (0, 6), (-6, 0)),  # diamond
    ((-6, -5), (6, -5), (0, 6)),  # triangle on its tip
    (
        (-2, -6),
        (2, -6),
        (2, -2),
        (6, -2),
        (6, 2),
        (2, 2),
        (2, 6),
        (-2, 6),
        (-2, 2),
        (-6, 2),
        (-6, -2),
        (-2, -2),
    ),  # plus
    ((-6, -4), (-4, -6), (0, -2), (4, -6), (6, -4), (2, 0), (6, 4), (4, 6), (0, 2), (-4, 6), (-6, 4), (-2, 0)),  # cross
    ((-6, 0), (-3, -5.2), (3, -5.2), (6, 0), (3, 5.2), (-3, 5.2)),  # hexagon
    ((0, -6), (1.6, -1.6), (6, 0), (1.6, 1.6), (0, 6), (-1.6, 1.6), (-6, 0), (-1.6, -1.6)),  # star
    ((-2.5, -6), (2.5, -6), (2.5, 6), (-2.5, 6)),  # bar
    ((-5, -6), (5, -6), (0, 0), (5, 6), (-5, 6), (0, 0)),  # hourglass
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A strategy's name and look: `shade` tells several of one tone apart (0 to 2; of other strategies 0 to 7)."""

    label: str
    tone: Tone
    shade: int
    mark: Mark = ()

    @property
    def points(self) -> str:
        """The mark for an SVG of 12 × 12."""
        return " ".join(f"{x + 6:g},{y + 6:g}" for x, y in self.mark)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One arm in words; `median` and `gain` are throughput and ratio without their intervals.

    `judgement` is None for a baseline and for an arm that was not compared.
    """

    throughput: str
    median: str
    ratio: str
    gain: str
    opens: str
    peak: str
    leaks: bool
    leak: Leak
    judgement: Judgement | None
    measured: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixRow:
    mode: Mode
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    headings: tuple[Heading, ...]
    rows: tuple[MatrixRow, ...]


def build(findings: Findings) -> Matrix:
    """One row per server mode and load, one column per strategy; A/A arms are left to the noise floor."""
    names = Labels.of(findings)
    columns = strategies(findings.arms)
    compared = primary_comparisons(findings)
    cells = {
        (arm.case.group, arm.case.strategy): _cell(arm, compared, findings.run.primary_metric)
        for arm in measured_once(findings.arms)
    }
    rows = (
        MatrixRow(mode=names.mode(group), cells=tuple(cells.get((group, strategy)) for strategy in columns))
        for group in groups(findings)
    )
    return Matrix(headings=headings(columns, names), rows=tuple(rows))


def headings(columns: Sequence[Config], names: Labels) -> tuple[Heading, ...]:
    """One per strategy, in the same order."""
    tones = [labels.tone(config) for config in columns]
    return tuple(
        _heading(names.strategy(config), tone, tones[:i].count(tone))
        for i, (config, tone) in enumerate(zip(columns, tones, strict=True))
    )


def _heading(label: str, tone: Tone, earlier: int) -> Heading:
    """Its look follows from how many of its tone came before."""
    if tone != "other":
        return Heading(label=label, tone=tone, shade=min(2, earlier))
    looks = len(OTHER_MARKS)
    # The ninth begins the colours again, but with another mark.
    return Heading(
        label=label, tone=tone, shade=earlier % looks, mark=OTHER_MARKS[(earlier + earlier // looks) % looks]
    )


def measured_once(arms: Sequence[Arm]) -> list[Arm]:
    """The arms without the A/A replicas, and without those that are about a fault."""
    return [arm for arm in arms if arm.case.competes]


def groups(findings: Findings) -> list[Condition]:
    """Every server mode and load of the run, in the order of the plan."""
    return list(dict.fromkeys(arm.case.group for arm in measured_once(findings.arms)))


def strategies(arms: Sequence[Arm]) -> list[Config]:
    """Every strategy of the run: ages ascending, unlimited last of them, then all others by name."""
    return sorted({arm.case.strategy for arm in arms}, key=_column_order)


def _column_order(config: Config) -> tuple[bool, float, str]:
    other = labels.tone(config) == "other"
    value = config.parameters.get("max_age", 0)
    seconds = float(value) if isinstance(value, int | float) else inf
    return other, 0.0 if other else seconds, str(config)


def primary_comparisons(findings: Findings) -> dict[Case, Comparison]:
    """The comparison of each case with its baseline on the run's primary metric, by case."""
    metric = findings.run.primary_metric
    return {one.case: one for one in findings.comparisons if one.metric == metric and one.question == "keep"}


def _cell(arm: Arm, compared: dict[Case, Comparison], metric: str) -> Cell:
    comparison = compared.get(arm.case)
    is_baseline = any(other.baseline == arm.case for other in compared.values())
    alone = BASELINE if is_baseline else numbers.MISSING
    return Cell(
        throughput=numbers.estimate(arm.throughput),
        median=numbers.figure(arm.throughput.value if arm.throughput else None),
        ratio=_ratio(comparison, metric) if comparison else alone,
        gain=_of(metric) + numbers.ratio(comparison.ratio) if comparison else alone,
        opens=numbers.figure(arm.opens_per_request),
        peak=held(arm),
        leaks=arm.leaks,
        leak=arm.leak,
        judgement=comparison.verdict if comparison and comparison.judged else None,
        measured=arm.trials > 0,
    )


def _ratio(comparison: Comparison, metric: str) -> str:
    """What counts decided after few blocks has no ratio worth reading."""
    if not comparison.judged:
        return f"decided after {numbers.plural(comparison.blocks, 'block')}"
    return _of(metric) + numbers.ratio_of(comparison)


def held(arm: Arm) -> str:
    """The most open at once, and how many are usable, e.g. "94 (8 usable)"; with a pooler, PostgreSQL's too."""
    if arm.usable is None:
        return numbers.count(arm.peak)
    usable = numbers.count(arm.usable)
    if arm.clients_peak is None:
        return f"{numbers.count(arm.peak)} ({usable} usable)"
    return f"{numbers.count(arm.clients_peak)} ({usable} usable), {numbers.count(arm.peak)} behind the pooler"


def _of(metric: str) -> str:
    """Beside a throughput a bare ratio speaks of throughput; any other metric has to be named."""
    return "" if metric == "throughput" else f"{numbers.metric(metric)} "

"""What a run says so far, in the reports' own words, laid out for the live page."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING

from loadlab.analysis import findings_of
from loadlab.report import numbers
from loadlab.report.content import matrix, story, tables, verdicts
from loadlab.report.labels import Labels

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.comparison import Comparison, Judgement
    from loadlab.model.config import Config
    from loadlab.model.findings import Arm, Findings, Leak
    from loadlab.model.schedule import Schedule
    from loadlab.report.content.matrix import Cell, Heading
    from loadlab.report.content.table import Table
    from loadlab.report.content.verdicts import Advice
    from loadlab.report.labels import Mode
    from loadlab.store.reader import RunReader

MOST_CAVEATS = 60
MOST_BROKEN = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class DashboardCell:
    """One case of the matrix: its index in the schedule, how many trials it gets, and what they say together.

    `replica` is the same case measured again, to show the noise floor, where there is one.
    """

    case: int
    replica: int | None
    planned: int
    words: Cell
    ratio: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DashboardRow:
    """A server mode with its load; `cells` are as many as there are headings, None where nothing is planned."""

    mode: Mode
    cells: tuple[DashboardCell | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinion:
    """The current verdict on one server mode."""

    mode: Mode
    decided: bool
    setting: str
    rest: str
    headline: str
    why: tuple[str, ...]
    ratio: str
    opens: str
    peak: str
    leaks: tuple[str, ...]
    lines: tuple[DashboardLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DashboardLine:
    """A strategy of that mode against its baseline, with its interval, as far as there is one."""

    strategy: int
    ratio: float | None
    low: float | None
    high: float | None
    words: str
    judgement: Judgement | None
    leaks: bool
    leak: Leak
    blocks: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A trial that counts for nothing, and why."""

    order: int
    case: str
    state: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Dashboard:
    title: str
    run_line: str
    answer: tuple[str, ...]
    trials: int
    margin: float
    headings: tuple[Heading, ...]
    rows: tuple[DashboardRow, ...]
    opinions: tuple[Opinion, ...]
    caveats: tuple[str, ...]
    more_caveats: int
    failures: Table
    broken: tuple[Broken, ...]
    more_broken: int


def dashboard_of(folder: RunReader, schedule: Schedule) -> str:
    """All of it as JSON; reads every record of the run.

    Raises:
        UsageError: the run's plan cannot be read.
    """
    return json.dumps(asdict(build(findings_of(folder.recorded()), schedule)), separators=(",", ":"), allow_nan=False)


def build(findings: Findings, schedule: Schedule) -> Dashboard:
    names = Labels.of(findings)
    built = matrix.build(findings)
    broken = [one for one in findings.trials if one.state != "complete"]
    return Dashboard(
        title=story.title(findings),
        run_line=story.run_line(findings.run),
        answer=(*story.between_sides(findings), *story.answer(findings)),
        trials=findings.run.trials_done,
        margin=findings.run.equivalence_margin,
        headings=built.headings,
        rows=_rows(findings, schedule),
        opinions=_opinions(findings),
        caveats=tuple(each.line for each in story.caveats(findings)[:MOST_CAVEATS]),
        more_caveats=max(0, len(findings.caveats) - MOST_CAVEATS),
        failures=tables.failures(findings),
        broken=tuple(
            Broken(order=one.order, case=names.case(one.case), state=one.state, reason=one.reason)
            for one in broken[-MOST_BROKEN:]
        ),
        more_broken=max(0, len(broken) - MOST_BROKEN),
    )


def _rows(findings: Findings, schedule: Schedule) -> tuple[DashboardRow, ...]:
    """The report's matrix, with the case behind each cell."""
    built = matrix.build(findings)
    columns = matrix.strategies(findings.arms)
    behind = {(arm.case.group, arm.case.strategy): arm for arm in matrix.measured_once(findings.arms)}
    index = {case: number for number, case in enumerate(schedule.cases)}
    planned = Counter(step.case for step in schedule.steps)
    compared = matrix.primary_comparisons(findings)

    def cell(words: Cell | None, arm: Arm | None) -> DashboardCell | None:
        if words is None or arm is None:
            return None
        case, seen = index[arm.case], compared.get(arm.case)
        replica = index.get(replace(arm.case, replica=True))
        ratio, low, high = _interval(seen) if seen else (None, None, None)
        return DashboardCell(
            case=case, replica=replica, planned=planned[case], words=words, ratio=ratio, low=low, high=high
        )

    return tuple(
        DashboardRow(
            mode=row.mode,
            cells=tuple(
                cell(words, behind.get((group, column))) for words, column in zip(row.cells, columns, strict=True)
            ),
        )
        for group, row in zip(matrix.groups(findings), built.rows, strict=True)
    )


def _opinions(findings: Findings) -> tuple[Opinion, ...]:
    compared = matrix.primary_comparisons(findings)
    columns = matrix.strategies(findings.arms)
    return tuple(_opinion(advice, _lines(findings, advice, compared, columns)) for advice in verdicts.build(findings))


def _opinion(advice: Advice, lines: tuple[DashboardLine, ...]) -> Opinion:
    return Opinion(
        mode=advice.mode,
        decided=advice.decided,
        setting=advice.setting,
        rest=advice.rest,
        headline=advice.headline,
        why=advice.why,
        ratio=advice.ratio,
        opens=advice.opens,
        peak=advice.peak,
        leaks=advice.leaks,
        lines=lines,
    )


def _lines(
    findings: Findings, advice: Advice, compared: dict[Case, Comparison], columns: list[Config]
) -> tuple[DashboardLine, ...]:
    """Every strategy of the mode but its baseline, as the matrix heads them."""
    of_mode = [arm for arm in matrix.measured_once(findings.arms) if arm.case in advice.cases]
    by_column = {columns.index(arm.case.strategy): arm for arm in of_mode if arm.case in compared}
    return tuple(_line(column, by_column[column], compared[by_column[column].case]) for column in sorted(by_column))


def _interval(seen: Comparison) -> tuple[float | None, float | None, float | None]:
    """Ratio and bounds as JSON may hold them."""
    ends = (seen.ratio, seen.low, seen.high)
    ratio, low, high = (value if value is not None and isfinite(value) else None for value in ends)
    return ratio, low, high


def _line(column: int, arm: Arm, seen: Comparison) -> DashboardLine:
    ratio, low, high = _interval(seen)
    return DashboardLine(
        strategy=column,
        ratio=ratio,
        low=low,
        high=high,
        words=numbers.ratio_of(seen),
        judgement=seen.verdict,
        leaks=arm.leaks,
        leak=arm.leak,
        blocks=seen.blocks,
    )

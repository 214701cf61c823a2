"""The series behind the charts of a fleet, in the units of their axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.report import numbers
from loadlab.report.content import matrix
from loadlab.report.content.charts import ChartLine
from loadlab.report.fleet import words
from loadlab.report.labels import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.findings import OverTime
    from loadlab.model.fleet_outcome import FleetAnswer
    from loadlab.report.content.matrix import Heading
    from loadlab.report.labels import Mode

UNITS = ((3 * 3600.0, "hours", 3600.0), (300.0, "minutes", 60.0), (0.0, "seconds", 1.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetLine:
    """One figure of one strategy over time."""

    strategy: int
    line: ChartLine


@dataclass(frozen=True, kw_only=True, slots=True)
class EventMark:
    """An event on the axis of time."""

    words: str
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetSeries:
    """Open connections, opens per second, the limit that `limit_words` spells, and the events; times in `unit`."""

    unit: str
    limit: int
    limit_words: str
    marks: tuple[EventMark, ...]
    open: tuple[FleetLine, ...]
    opens: tuple[FleetLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetCharts:
    """What the page's script reads: the same as of a run's report, without arms."""

    strategies: tuple[Heading, ...]
    fleet: FleetSeries
    modes: tuple[Mode, ...] = ()
    mode_latencies: tuple[str, ...] = ("",)
    arms: tuple[()] = ()


def build(answer: FleetAnswer) -> FleetCharts:
    unit, divisor = next((unit, divisor) for least, unit, divisor in UNITS if answer.seconds >= least)
    configs = [one.keeping.strategy for one in answer.outcomes]
    return FleetCharts(
        strategies=matrix.headings(configs, Labels.of_cases([one.case for one in answer.outcomes])),
        fleet=FleetSeries(
            unit=unit,
            limit=answer.database.free,
            limit_words=f"{numbers.count(answer.database.free)} free",
            marks=tuple(EventMark(words=words.event(one), at=one.start / divisor) for one in answer.moments),
            open=_lines([one.open_over_time for one in answer.outcomes], divisor),
            opens=_lines([one.opens_over_time for one in answer.outcomes], divisor),
        ),
    )


def _lines(series: Sequence[OverTime], divisor: float) -> tuple[FleetLine, ...]:
    return tuple(FleetLine(strategy=place, line=_line(one, divisor)) for place, one in enumerate(series))


def _line(series: OverTime, divisor: float) -> ChartLine:
    at = tuple(round(instant / divisor, 4) for instant in series.at)
    return ChartLine(at=at, median=series.median, low=series.low, high=series.high)

"""The series behind the charts, in the units of their axes; names and colours are settled here as well."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite
from statistics import median
from typing import TYPE_CHECKING

from loadlab.report import numbers
from loadlab.report.content import added_latency, matrix
from loadlab.report.labels import Labels, Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.comparison import Comparison
    from loadlab.model.findings import Arm, Estimate, Findings, OverTime, Service
    from loadlab.report.content.added_latency import LatencySeries
    from loadlab.report.content.matrix import Heading

MOST_INSTANTS = 300  # more than a chart has pixels for


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartInterval:
    """A figure to draw, and the `words` for it."""

    words: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartLine:
    """Open connections over time: equally long columns, `at` in seconds."""

    at: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmWords:
    """The times of an arm, spelt: `cpu` as in the series, and their sum."""

    percentiles: tuple[str, ...]
    service: tuple[str, ...]
    cpu: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmSeries:
    """One arm: its place in the matrix, and its figures; None where there are none.

    `ratio` is to its baseline, or to the other side in a run with two sides. `percentiles` are p50, p95 and p99 in
    milliseconds; `cpu` is of app, database and generator, in milliseconds per request, the database's None when it runs
    on another machine. `service` are the percentiles from when requests were sent, where the response counts from when
    they were due.
    """

    mode: int
    strategy: int
    usable: int | None
    peak: int
    throughput: ChartInterval | None
    percentiles: tuple[float | None, float | None, float | None]
    cpu: tuple[float | None, float | None, float | None] | None
    line: ChartLine | None
    words: ArmWords
    ratio: ChartInterval | None = None
    leaks: bool = False
    service: tuple[float | None, float | None, float | None] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Charts:
    """`mode_latencies` holds the latency added to each mode; `ratio` compares `metric` with that of `compared_with`."""

    modes: tuple[Mode, ...]
    mode_latencies: tuple[str, ...]
    strategies: tuple[Heading, ...]
    arms: tuple[ArmSeries, ...]
    added_latency: tuple[LatencySeries, ...]
    warmup_seconds: float
    metric: str
    compared_with: str

    @property
    def shows_ratio(self) -> bool:
        """Whether anything is compared."""
        return any(arm.ratio for arm in self.arms)

    @property
    def shows_service(self) -> bool:
        """Whether there is an open load."""
        return any(arm.service for arm in self.arms)

    @property
    def latencies(self) -> tuple[str, ...]:
        """Each added latency once, the least first."""
        return tuple(dict.fromkeys(self.mode_latencies))


def build(findings: Findings) -> Charts:
    """All series; arms without a complete trial have nothing to draw and are left out."""
    names = Labels.of(findings)
    groups = matrix.groups(findings)
    columns = matrix.strategies(findings.arms)
    drawn = (arm for arm in matrix.measured_once(findings.arms) if arm.trials)
    sides = {one.case: one for one in findings.between_sides}
    compared = sides or matrix.primary_comparisons(findings)
    return Charts(
        modes=tuple(map(names.mode, groups)),
        mode_latencies=tuple(group.words("round_trip_ms") for group in groups),
        strategies=matrix.headings(columns, names),
        arms=tuple(
            _arm(
                arm,
                groups.index(arm.case.group),
                columns.index(arm.case.strategy),
                compared.get(arm.case),
            )
            for arm in drawn
        ),
        added_latency=added_latency.series(findings),
        warmup_seconds=findings.run.warmup_seconds,
        metric=numbers.metric(findings.run.primary_metric),
        compared_with=findings.other_side or "the baseline",
    )


def _arm(arm: Arm, mode: int, strategy: int, comparison: Comparison | None) -> ArmSeries:
    cpu = arm.cpu_seconds_per_request
    return ArmSeries(
        mode=mode,
        strategy=strategy,
        usable=arm.usable,
        peak=arm.peak,
        throughput=_interval(arm.throughput),
        percentiles=(_median_ms(arm.p50_seconds), _median_ms(arm.p95_seconds), _median_ms(arm.p99_seconds)),
        cpu=(_ms(cpu.app), _ms(cpu.database), _ms(cpu.generator)) if cpu else None,
        line=_line(arm.open_over_time) if arm.open_over_time else None,
        words=_words(arm),
        ratio=_ratio(comparison) if comparison else None,
        leaks=arm.leaks,
        service=_service(arm.service) if arm.service else None,
    )


def _words(arm: Arm) -> ArmWords:
    service, cpu = arm.service, arm.cpu_seconds_per_request
    parts = (cpu.app, cpu.database, cpu.generator) if cpu else ()
    return ArmWords(
        percentiles=_spelt((arm.p50_seconds, arm.p95_seconds, arm.p99_seconds)),
        service=_spelt((service.p50_seconds, service.p95_seconds, service.p99_seconds)) if service else (),
        cpu=tuple(map(numbers.milliseconds, (*parts, sum(part or 0.0 for part in parts)))) if parts else (),
    )


def _spelt(estimates: Sequence[Estimate | None]) -> tuple[str, ...]:
    return tuple(numbers.milliseconds(one.value if one else None) for one in estimates)


def _service(service: Service) -> tuple[float | None, float | None, float | None]:
    return _median_ms(service.p50_seconds), _median_ms(service.p95_seconds), _median_ms(service.p99_seconds)


def _rounded(value: float) -> float:
    return round(value, 4)


def _finite(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else _rounded(value)


def _interval(estimate: Estimate | None) -> ChartInterval | None:
    if estimate is None or not isfinite(estimate.value):
        return None
    return ChartInterval(
        words=numbers.estimate(estimate),
        value=_rounded(estimate.value),
        low=_finite(estimate.low),
        high=_finite(estimate.high),
    )


def _ratio(comparison: Comparison) -> ChartInterval | None:
    value = _finite(comparison.ratio)
    if value is None or value <= 0:
        return None
    return ChartInterval(
        words=numbers.ratio_of(comparison), value=value, low=_finite(comparison.low), high=_finite(comparison.high)
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else _finite(seconds * 1000)


def _median_ms(estimate: Estimate | None) -> float | None:
    return _ms(estimate.value) if estimate else None


def _line(series: OverTime) -> ChartLine:
    """The series, thinned to what a chart can show: extremes survive the thinning."""
    step = max(1, ceil(len(series.at) / MOST_INSTANTS))
    spans = [slice(start, start + step) for start in range(0, len(series.at), step)]
    return ChartLine(
        at=tuple(_rounded(series.at[span][0]) for span in spans),
        median=tuple(_rounded(median(series.median[span])) for span in spans),
        low=tuple(_rounded(min(series.low[span])) for span in spans),
        high=tuple(_rounded(max(series.high[span])) for span in spans),
    )

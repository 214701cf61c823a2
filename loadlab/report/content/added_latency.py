"""What added latency does, as a table per server mode and the series of its chart."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from loadlab.report import numbers
from loadlab.report.content import matrix
from loadlab.report.content.table import Column, Table
from loadlab.report.labels import Labels, Mode
from loadlab.report.prose.added_latency import conclusion

if TYPE_CHECKING:
    from loadlab.model.added_latency import AtLatency, LatencyEffect, OverLatency
    from loadlab.model.config import Config
    from loadlab.model.findings import Findings
    from loadlab.report.content.matrix import Heading


LEAD = (
    'A proxy adds latency to each round trip to the database. "Pays from +5 ms" means: at +5 ms and at every larger '
    "measured latency, the strategy is eligible and proven better than CONN_MAX_AGE = 0."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyLine:
    """A strategy's ratio with each added latency, None where there is none; `strategy` is its column in the matrix.

    `words` spell each ratio with its interval.
    """

    strategy: int
    ratios: tuple[float | None, ...]
    lows: tuple[float | None, ...]
    highs: tuple[float | None, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencySeries:
    mode: Mode
    round_trips: tuple[str, ...]
    lines: tuple[LatencyLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyTable:
    """One server mode under one kind of client: what it says, in a table; `conclusions` as (strategy, clause).

    `headings` are the looks of the strategies in the table's rows; its last row is about all of them.
    """

    mode: Mode
    table: Table
    headings: tuple[Heading, ...]
    conclusions: tuple[tuple[str, str], ...]


def build(findings: Findings) -> tuple[LatencyTable, ...]:
    """Empty for a run with one added latency."""
    names = Labels.of(findings)
    columns = matrix.strategies(findings.arms)
    looks = dict(zip(columns, matrix.headings(columns, names), strict=True))
    return tuple(
        LatencyTable(
            mode=names.mode(effect.condition),
            table=_table(names, effect),
            headings=tuple(looks[over.strategy] for over in effect.strategies),
            conclusions=tuple((names.strategy(over.strategy), conclusion(over)) for over in effect.strategies),
        )
        for effect in findings.added_latency
    )


def _table(names: Labels, effect: LatencyEffect) -> Table:
    latencies = [numbers.more_latency(ms) for ms in effect.round_trips_ms]
    rows = [_row(names, effect, over) for over in effect.strategies]
    last = ("Recommended", *(names.arm(case) if case else "none" for case in effect.recommended), "")
    return Table(
        caption=f"Ratio to CONN_MAX_AGE = 0 at each round-trip time, {names.mode(effect.condition)}",
        columns=(
            Column(title="Strategy"),
            *(Column(title=title) for title in latencies),
            Column(title="Pays from"),
        ),
        rows=(*rows, last),
    )


def _row(names: Labels, effect: LatencyEffect, over: OverLatency) -> tuple[str, ...]:
    points = {point.round_trip_ms: point for point in over.points}
    cells = (_cell(points.get(ms)) for ms in effect.round_trips_ms)
    pays = "not proven" if over.pays_from_ms is None else numbers.more_latency(over.pays_from_ms)
    return (names.strategy(over.strategy), *cells, pays)


def _cell(point: AtLatency | None) -> str:
    if point is None:
        return numbers.MISSING
    ratio = _ratio(point)
    return f"{ratio} {numbers.SIGNS[point.verdict]} {point.verdict}" if point.sound else f"{ratio} ✕ ruled out"


def _ratio(point: AtLatency) -> str:
    return numbers.with_interval(numbers.ratio(point.ratio), point.low, point.high)


def series(findings: Findings) -> tuple[LatencySeries, ...]:
    """What the charts draw: one for each server mode and kind of client."""
    names = Labels.of(findings)
    columns = matrix.strategies(findings.arms)
    return tuple(
        LatencySeries(
            mode=names.mode(effect.condition),
            round_trips=tuple(numbers.more_latency(ms) for ms in effect.round_trips_ms),
            lines=tuple(_line(columns, effect, over) for over in effect.strategies if over.strategy in columns),
        )
        for effect in findings.added_latency
    )


def _line(columns: list[Config], effect: LatencyEffect, over: OverLatency) -> LatencyLine:
    points = {point.round_trip_ms: point for point in over.points}
    at = [points.get(ms) for ms in effect.round_trips_ms]
    return LatencyLine(
        strategy=columns.index(over.strategy),
        ratios=tuple(_drawn(point.ratio if point else None) for point in at),
        lows=tuple(_drawn(point.low if point else None) for point in at),
        highs=tuple(_drawn(point.high if point else None) for point in at),
        words=tuple(_ratio(point) if point else numbers.MISSING for point in at),
    )


def _drawn(value: float | None) -> float | None:
    """A logarithmic axis cannot show 0."""
    return None if value is None or not isfinite(value) or value <= 0 else round(value, 4)

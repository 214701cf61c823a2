"""What the distance to the database does, as a table per server mode and the series of its chart."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from loadlab.report import numbers
from loadlab.report.content import matrix
from loadlab.report.content.tables import Column, Table
from loadlab.report.labels import Labels, Mode

if TYPE_CHECKING:
    from loadlab.model.config import Config
    from loadlab.model.findings import AtDistance, DistanceEffect, Findings, OverDistance
    from loadlab.report.content.matrix import Heading


LEAD = (
    "A proxy puts the database at a distance by adding to each round trip. A strategy pays from the smallest measured "
    "round-trip time from which on it is sound and proven better than CONN_MAX_AGE = 0 at every larger measured one."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DistanceLine:
    """A strategy's ratio at each distance, None where there is none; `strategy` is its column in the matrix.

    `words` spell each ratio with its interval.
    """

    strategy: int
    ratios: tuple[float | None, ...]
    lows: tuple[float | None, ...]
    highs: tuple[float | None, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DistanceSeries:
    mode: Mode
    round_trips: tuple[str, ...]
    lines: tuple[DistanceLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Distance:
    """One server mode under one kind of client: what it says, in a table; `conclusions` as (strategy, clause).

    `headings` are the looks of the strategies in the table's rows; its last row is about all of them.
    """

    mode: Mode
    table: Table
    headings: tuple[Heading, ...]
    conclusions: tuple[tuple[str, str], ...]


def build(findings: Findings) -> tuple[Distance, ...]:
    """Empty for a run at one distance."""
    names = Labels.of(findings)
    columns = matrix.strategies(findings.arms)
    looks = dict(zip(columns, matrix.headings(columns, names), strict=True))
    return tuple(
        Distance(
            mode=names.mode(effect.condition),
            table=_table(names, effect),
            headings=tuple(looks[over.strategy] for over in effect.strategies),
            conclusions=tuple((names.strategy(over.strategy), over.conclusion) for over in effect.strategies),
        )
        for effect in findings.distances
    )


def _table(names: Labels, effect: DistanceEffect) -> Table:
    distances = [numbers.more_latency(ms) for ms in effect.round_trips_ms]
    rows = [_row(names, effect, over) for over in effect.strategies]
    last = ("Recommended", *(names.arm(case) if case else "none" for case in effect.recommended), "")
    return Table(
        caption=f"Ratio to CONN_MAX_AGE = 0 at each round-trip time, {names.mode(effect.condition)}",
        columns=(
            Column(title="Strategy"),
            *(Column(title=title) for title in distances),
            Column(title="Pays from"),
        ),
        rows=(*rows, last),
    )


def _row(names: Labels, effect: DistanceEffect, over: OverDistance) -> tuple[str, ...]:
    points = {point.round_trip_ms: point for point in over.points}
    cells = (_cell(points.get(ms)) for ms in effect.round_trips_ms)
    pays = "not proven" if over.pays_from_ms is None else numbers.more_latency(over.pays_from_ms)
    return (names.strategy(over.strategy), *cells, pays)


def _cell(point: AtDistance | None) -> str:
    if point is None:
        return numbers.MISSING
    ratio = _ratio(point)
    return f"{ratio} {numbers.SIGNS[point.verdict]} {point.verdict}" if point.sound else f"{ratio} ✕ ruled out"


def _ratio(point: AtDistance) -> str:
    return numbers.with_interval(numbers.ratio(point.ratio), point.low, point.high)


def series(findings: Findings) -> tuple[DistanceSeries, ...]:
    """What the charts draw: one for each server mode and kind of client."""
    names = Labels.of(findings)
    columns = matrix.strategies(findings.arms)
    return tuple(
        DistanceSeries(
            mode=names.mode(effect.condition),
            round_trips=tuple(numbers.more_latency(ms) for ms in effect.round_trips_ms),
            lines=tuple(_line(columns, effect, over) for over in effect.strategies if over.strategy in columns),
        )
        for effect in findings.distances
    )


def _line(columns: list[Config], effect: DistanceEffect, over: OverDistance) -> DistanceLine:
    points = {point.round_trip_ms: point for point in over.points}
    at = [points.get(ms) for ms in effect.round_trips_ms]
    return DistanceLine(
        strategy=columns.index(over.strategy),
        ratios=tuple(_drawn(point.ratio if point else None) for point in at),
        lows=tuple(_drawn(point.low if point else None) for point in at),
        highs=tuple(_drawn(point.high if point else None) for point in at),
        words=tuple(_ratio(point) if point else numbers.MISSING for point in at),
    )


def _drawn(value: float | None) -> float | None:
    """On a logarithmic axis there is no place for 0."""
    return None if value is None or not isfinite(value) or value <= 0 else round(value, 4)

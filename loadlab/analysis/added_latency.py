"""What latency between target and database does to each strategy, where a run adds several amounts of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.model.added_latency import AtLatency, LatencyEffect, OverLatency

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.analysis.answer import Decided
    from loadlab.model.added_latency import LatencyOutcome
    from loadlab.model.condition import Condition
    from loadlab.model.config import Config
    from loadlab.model.findings import Arm


def added_latency(decided: Sequence[Decided]) -> tuple[LatencyEffect, ...]:
    """One for each server mode, load and kind of client that was measured with several added latencies."""
    families: dict[Condition, list[Decided]] = {}
    for one in decided:
        families.setdefault(one.evidence.condition.without("round_trip_ms"), []).append(one)
    return tuple(_effect(of, sorted(ones, key=_latency)) for of, ones in families.items() if len(ones) > 1)


def _latency(one: Decided) -> float:
    return one.evidence.condition.round_trip_ms or 0.0


def _effect(condition: Condition, ones: Sequence[Decided]) -> LatencyEffect:
    """From the least added latency to the most."""
    arms = [arm for one in ones for arm in one.evidence.candidates]
    strategies = dict.fromkeys(arm.case.strategy for arm in arms)
    return LatencyEffect(
        condition=condition,
        round_trips_ms=tuple(map(_latency, ones)),
        strategies=tuple(_over(config, ones) for config in strategies),
        recommended=tuple(one.decision.chosen.case if one.decision.chosen else None for one in ones),
    )


def _over(config: Config, ones: Sequence[Decided]) -> OverLatency:
    points = tuple(_points(config, ones))
    pays = pays_from([(point.round_trip_ms, point.verdict == "better" and point.sound) for point in points])
    return OverLatency(strategy=config, points=points, pays_from_ms=pays, outcome=_outcome(points, pays))


def _points(config: Config, ones: Sequence[Decided]) -> Iterable[AtLatency]:
    for one in ones:
        arm = next((arm for arm in one.evidence.arms if arm.case.strategy == config and arm.case.is_candidate), None)
        if arm is not None and arm.trials:
            yield _point(one, arm)


def _point(one: Decided, arm: Arm) -> AtLatency:
    comparison = one.evidence.against_baseline(arm)
    return AtLatency(
        round_trip_ms=arm.case.round_trip_ms,
        case=arm.case,
        ratio=comparison.ratio if comparison else None,
        low=comparison.low if comparison else None,
        high=comparison.high if comparison else None,
        verdict=one.evidence.judgement(arm),
        sound=one.evidence.eligible(arm),
    )


def pays_from(points: Sequence[tuple[float, bool]]) -> float | None:
    """The smallest added latency from which on it pays at every larger one; None where not even at the largest.

    >>> pays_from([(0, True), (1, False), (5, True), (20, True)]), pays_from([(0, True), (1, False)])
    (5, None)
    """
    start = None
    for latency, pays in reversed(points):
        if not pays:
            break
        start = latency
    return start


def _outcome(points: Sequence[AtLatency], pays: float | None) -> LatencyOutcome:
    if not points:
        return "not_measured"
    if not any(point.sound for point in points):
        return "rejected"
    if pays is None:
        return "not_proven"
    return "everywhere" if pays == points[0].round_trip_ms else "from"

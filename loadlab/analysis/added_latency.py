"""What the distance to the database does to each strategy, where a run has several distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.analysis.wording import listing, times
from loadlab.model.config import spell
from loadlab.model.findings import AtDistance, DistanceEffect, OverDistance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.analysis.answer import Decided
    from loadlab.model.condition import Condition
    from loadlab.model.config import Config
    from loadlab.model.findings import Arm


def distances(decided: Sequence[Decided]) -> tuple[DistanceEffect, ...]:
    """One for each server mode, load and kind of client that was measured at several distances."""
    families: dict[Condition, list[Decided]] = {}
    for one in decided:
        families.setdefault(one.evidence.condition.without("round_trip_ms"), []).append(one)
    return tuple(_effect(of, sorted(ones, key=_distance)) for of, ones in families.items() if len(ones) > 1)


def _distance(one: Decided) -> float:
    return one.evidence.condition.round_trip_ms or 0.0


def _effect(condition: Condition, ones: Sequence[Decided]) -> DistanceEffect:
    """From near to far."""
    arms = [arm for one in ones for arm in one.evidence.candidates]
    strategies = dict.fromkeys(arm.case.strategy for arm in arms)
    return DistanceEffect(
        condition=condition,
        round_trips_ms=tuple(map(_distance, ones)),
        strategies=tuple(_over(choice, ones) for choice in strategies),
        recommended=tuple(one.decision.chosen.case if one.decision.chosen else None for one in ones),
    )


def _over(choice: Config, ones: Sequence[Decided]) -> OverDistance:
    points = tuple(_points(choice, ones))
    pays = pays_from([(point.round_trip_ms, point.verdict == "better" and point.sound) for point in points])
    return OverDistance(strategy=choice, points=points, pays_from_ms=pays, conclusion=_conclusion(points, pays))


def _points(choice: Config, ones: Sequence[Decided]) -> Iterable[AtDistance]:
    for one in ones:
        arm = next((arm for arm in one.evidence.arms if arm.case.strategy == choice and arm.case.is_candidate), None)
        if arm is not None and arm.trials:
            yield _point(one, arm)


def _point(one: Decided, arm: Arm) -> AtDistance:
    comparison = one.evidence.against_baseline(arm)
    return AtDistance(
        round_trip_ms=arm.case.round_trip_ms,
        case=arm.case,
        ratio=comparison.ratio if comparison else None,
        low=comparison.low if comparison else None,
        high=comparison.high if comparison else None,
        verdict=one.evidence.judgement(arm),
        sound=one.evidence.sound(arm),
    )


def pays_from(points: Sequence[tuple[float, bool]]) -> float | None:
    """The smallest measured distance from which on it pays at every larger one; None where not even at the largest.

    >>> pays_from([(0, True), (1, False), (5, True), (20, True)]), pays_from([(0, True), (1, False)])
    (5, None)
    """
    start = None
    for distance, pays in reversed(points):
        if not pays:
            break
        start = distance
    return start


def _conclusion(points: Sequence[AtDistance], pays: float | None) -> str:
    """In one clause, beginning with what matters most."""
    if not points:
        return "not measured"
    unsound = [point for point in points if not point.sound]
    if len(unsound) == len(points):
        return "ruled out at every distance, whatever its speed"
    growth = ", ".join(f"{_times(point)} at +{spell(point.round_trip_ms)} ms" for point in (points[0], points[-1]))
    if pays is None:
        ruled = f"; ruled out at {_listed(unsound)}" if unsound else ""
        return f"not proven to pay at the largest distance{ruled}: {growth}"
    if pays == points[0].round_trip_ms:
        return f"pays at every distance: {growth}"
    return f"pays from +{spell(pays)} ms on: {growth}"


def _listed(points: Sequence[AtDistance]) -> str:
    return listing([f"+{spell(point.round_trip_ms)} ms" for point in points])


def _times(point: AtDistance) -> str:
    return times(point.ratio) if point.ratio is not None else "not compared"

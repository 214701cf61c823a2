"""Says in one clause what added latency does to a strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.report import numbers

if TYPE_CHECKING:
    from loadlab.model.added_latency import AtLatency, OverLatency


def conclusion(over: OverLatency) -> str:
    """What matters most first."""
    if over.outcome == "not_measured":
        return "not measured"
    if over.outcome == "rejected":
        return "ruled out at every added latency"
    growth = ", ".join(f"{_ratio(point)} at {_latency(point)}" for point in (over.points[0], over.points[-1]))
    if over.outcome == "everywhere":
        return f"pays at every added latency: {growth}"
    if over.pays_from_ms is not None:
        return f"pays from {numbers.more_latency(over.pays_from_ms)} on: {growth}"
    rejected = [_latency(point) for point in over.points if not point.sound]
    also = f"; ruled out at {numbers.listed(rejected)}" if rejected else ""
    return f"not proven to pay at the largest added latency{also}: {growth}"


def _latency(point: AtLatency) -> str:
    return numbers.more_latency(point.round_trip_ms)


def _ratio(point: AtLatency) -> str:
    return "not compared" if point.ratio is None else numbers.ratio(point.ratio)

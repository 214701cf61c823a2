"""Sums up over a trial's window what probes have read, where a record has no other place for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.probes import unplaced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.quantity import Quantity
    from loadlab.model.samples import Series
    from loadlab.model.window import Window


def summed_up(start: Mapping[str, float], end: Mapping[str, float], series: Series, window: Window) -> dict[str, float]:
    """Of each quantity, from the readings at both edges of the window and the samples in between."""
    known = (one for one in unplaced() if one.name in start and one.name in end)
    return {one.name: _value(one, start[one.name], end[one.name], series, window) for one in known}


def _value(quantity: Quantity, start: float, end: float, series: Series, window: Window) -> float:
    if quantity.kind == "counter":
        return end - start
    samples = zip(series.at, series.of(quantity.name), strict=False)  # none where the probe is not sampled
    return max(start, end, *(value for at, value in samples if window.start <= at < window.end))

"""Figures of repeated simulations: the median of each, and the lowest and highest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.findings import OverTime
from loadlab.model.fleet_outcome import Band

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.fleet import Numbers

MOST_POINTS: Final = 300  # more than a chart has pixels for


def band(figures: Sequence[float]) -> Band:
    """Of at least one simulation."""
    return Band(middle=float(np.median(figures)), low=float(min(figures)), high=float(max(figures)))


def times(one: Band | None, factor: float | None) -> Band | None:
    """Each figure × a factor; None where either is not known."""
    if one is None or factor is None:
        return None
    return Band(middle=one.middle * factor, low=one.low * factor, high=one.high * factor)


def over_time(at: Numbers, middle: Numbers, low: Numbers, high: Numbers) -> OverTime:
    """A series of at most 300 instants; the extremes of each span survive, and of `middle` its mean does."""
    starts = np.arange(0, len(at), max(1, -(-len(at) // MOST_POINTS)))
    lengths = np.diff(np.append(starts, len(at)))
    return OverTime(
        at=_spelt(at[starts]),
        median=_spelt(np.add.reduceat(middle, starts) / lengths),
        low=_spelt(np.minimum.reduceat(low, starts)),
        high=_spelt(np.maximum.reduceat(high, starts)),
    )


def _spelt(values: Numbers) -> tuple[float, ...]:
    return tuple(np.round(values, 4).tolist())

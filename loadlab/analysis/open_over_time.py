"""Open connections of one case over time, its trials laid over each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.extract import as_array
from loadlab.model.findings import OverTime
from loadlab.stats.intervals import median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from loadlab.model.samples import Series, Trial

STEP_SECONDS: Final = 0.1
MOST_POINTS: Final = 200


def open_over_time(trials: Sequence[Trial]) -> OverTime | None:
    """The ledger's count at common instants, up to the end of the shortest trial; None without samples."""
    series = [trial.series for trial in trials if len(trial.series.open)]
    if not series:
        return None
    instants = _instants(min(float(one.at[-1]) for one in series))
    counts = np.array([_held(one, instants) for one in series])
    return OverTime(
        at=tuple(instants.tolist()),
        median=tuple(median(counts).tolist()),
        low=tuple(counts.min(axis=0).tolist()),
        high=tuple(counts.max(axis=0).tolist()),
    )


def _instants(end: float) -> NDArray[np.float64]:
    """Every 0.1 s, or 200 instants spread evenly where that would be more."""
    steps = int(end / STEP_SECONDS + 1e-9)  # 0.3 / 0.1 is just under 3
    if steps < MOST_POINTS:
        return np.arange(steps + 1, dtype=np.float64) * STEP_SECONDS
    return np.linspace(0.0, end, MOST_POINTS)


def _held(series: Series, instants: NDArray[np.float64]) -> NDArray[np.float64]:
    """A count holds until the next sample: between 2 and 3 connections there are never 2.5."""
    latest = np.searchsorted(as_array(series.at), instants + 1e-9, side="right") - 1
    held: NDArray[np.float64] = as_array(series.open)[np.maximum(latest, 0)]
    return held

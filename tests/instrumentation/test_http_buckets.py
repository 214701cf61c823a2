"""The buckets of request times: how far a percentile that Prometheus reads from them may be off."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from every import every

from loadlab.model.metrics import HTTP_SECONDS

SAMPLES = 20_000


def from_buckets(share: float, times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """A percentile as Prometheus' histogram_quantile has it: a straight line within the bucket where it lies."""
    counts = np.bincount(np.searchsorted(HTTP_SECONDS, times), minlength=len(HTTP_SECONDS) + 1)
    cumulated = np.cumsum(counts)
    rank = share * cumulated[-1]
    bucket = int(np.searchsorted(cumulated, rank))
    low, before = (HTTP_SECONDS[bucket - 1], cumulated[bucket - 1]) if bucket else (0.0, 0)
    return float(low + (HTTP_SECONDS[bucket] - low) * (rank - before) / counts[bucket])


def errors(share: float) -> list[float]:
    """Relative errors over sites with medians from 2 to 500 ms and spreads from narrow to long-tailed."""
    chance = np.random.default_rng(2013)
    found = []
    for middle in np.geomspace(0.002, 0.5, 40):
        for spread in (0.2, 0.3, 0.5, 0.8, 1.1):
            times = middle * np.exp(spread * chance.standard_normal(SAMPLES))
            times = times[times < HTTP_SECONDS[-1]]
            exact = np.quantile(times, share, method="inverted_cdf")
            found.append(abs(from_buckets(share, times) / exact - 1))
    return found


def test_no_percentile_between_the_bounds_is_off_by_over_a_half() -> None:
    assert HTTP_SECONDS[0] == 0.0005
    assert max(high / low for low, high in pairwise(HTTP_SECONDS)) <= 1.5


@every(("share", "typical", "nearly_all"), [(0.5, 0.01, 0.03), (0.95, 0.05, 0.15), (0.99, 0.06, 0.17)])
def test_percentiles_are_off_by_a_few_percent(share: float, typical: float, nearly_all: float) -> None:
    found = errors(share)
    assert np.median(found) <= typical
    assert np.quantile(found, 0.95) <= nearly_all


@every("seconds", [0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0])
def test_limits_that_people_set_themselves_are_bounds(seconds: float) -> None:
    assert seconds in HTTP_SECONDS

"""The interval of a median holds for noise of any shape."""

from __future__ import annotations

import numpy as np
from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.stats.intervals import of_median


@every(("size", "outside"), [(6, 0), (8, 0), (9, 1), (12, 2), (20, 5)])
def test_ends_are_the_order_statistics_of_the_published_table(size: int, outside: int) -> None:
    assert of_median(np.arange(float(size))) == (float(outside), float(size - 1 - outside))


@every("size", range(6))
def test_fewer_than_six_values_hold_no_95_percent(size: int) -> None:
    assert of_median(np.ones(size)) is None


@given(st.lists(st.floats(-10, 10), min_size=6, max_size=25))
def test_every_interval_contains_the_median_that_it_is_reported_with(values: list[float]) -> None:
    interval = of_median(np.array(values))
    assert interval is not None
    assert interval.low <= np.median(values) <= interval.high


@every("size", [6, 8, 10, 15])
def test_at_least_95_of_100_intervals_hold_a_skewed_median(size: int) -> None:
    generator = np.random.default_rng(7)
    built = [of_median(np.exp(2 * generator.standard_normal(size))) for _ in range(1000)]
    covered = sum(interval is not None and interval.low <= 1 <= interval.high for interval in built) / len(built)
    assert covered >= 0.95 - 3 * 0.007

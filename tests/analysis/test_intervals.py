"""Intervals hold the truth about as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from loadlab.analysis.intervals import _acceleration, intervals


def test_under_ten_values_the_interval_is_students() -> None:
    (interval,) = intervals(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 0.95)
    assert interval == pytest.approx((3 - 2.776 * (2.5 / 5) ** 0.5, 3 + 2.776 * (2.5 / 5) ** 0.5), abs=1e-3)


@pytest.mark.parametrize("size", [0, 1])
def test_one_value_has_no_spread_and_no_interval(size: int) -> None:
    assert intervals(np.ones(size), 0.95) == ()


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=25))
def test_every_interval_contains_the_median_that_it_is_reported_with(values: list[float]) -> None:
    (interval,) = intervals(np.array(values), 0.95)
    assert interval.low <= np.median(values) <= interval.high


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=25))
def test_the_90_percent_interval_lies_inside_the_95_percent_one(values: list[float]) -> None:
    wide, narrow = intervals(np.array(values), 0.95, 0.90)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


@pytest.mark.parametrize("size", [6, 8, 10, 15])
def test_about_95_of_100_intervals_cover_the_truth(size: int) -> None:
    generator = np.random.default_rng(7)
    built = [intervals(generator.standard_normal(size), 0.95)[0] for _ in range(400)]
    covered = sum(interval.low <= 0 <= interval.high for interval in built) / len(built)
    assert 0.90 <= covered <= 0.98


def test_the_same_values_give_the_same_bootstrap() -> None:
    values = np.random.default_rng(3).standard_normal(12)
    assert intervals(values, 0.95) == intervals(values.copy(), 0.95)


def test_the_bootstrap_follows_skewness_where_students_interval_cannot() -> None:
    (interval,) = intervals(np.exp(np.linspace(-2, 2, 15)), 0.95)
    assert interval.high - 1 > 2 * (1 - interval.low) > 0


@pytest.mark.parametrize("seed", range(4))
def test_the_bootstrap_interval_is_that_of_scipy(seed: int) -> None:
    values = np.exp(2 * np.random.default_rng(seed).standard_normal(11))
    generator = np.random.default_rng(1)
    theirs = bootstrap((values,), np.median, n_resamples=20_000, method="BCa", rng=generator).confidence_interval
    assert intervals(values, 0.95)[0] == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("scale", [1.0, 1e-130], ids=["ordinary", "tiny"])
def test_acceleration_is_that_of_the_jackknife_at_any_scale(scale: float) -> None:
    # medians without one value: 4, 4, 3.5, 1.5, 1.5; their mean 2.9; sums of cubes 2.61, of squares 6.7
    values = scale * np.array([0.0, 1.0, 2.0, 6.0, 10.0])
    assert _acceleration(values) == pytest.approx(2.61 / (6 * 6.7**1.5))

"""The shift between two runs, with what the machine may have changed in between."""

from __future__ import annotations

from math import inf, log

import numpy as np
import pytest
from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.stats import rank_sum
from loadlab.stats.between_runs import drift, shift
from loadlab.stats.paired import paired_effect

CV = 0.05
samples = st.lists(st.floats(-10, 10), min_size=4, max_size=9).map(np.array)


@given(samples, samples)
def test_the_interval_of_two_runs_holds_that_of_the_rank_sum_test(first: np.ndarray, second: np.ndarray) -> None:
    estimate, interval = shift(first, second)
    same, within = rank_sum.shift(first, second)
    assert interval is not None
    assert within is not None
    assert estimate == same
    assert interval.low <= within.low + 1e-9
    assert interval.high >= within.high - 1e-9


def test_the_interval_of_two_runs_is_wider_than_that_of_one() -> None:
    generator = np.random.default_rng(4)
    before, after = CV * generator.standard_normal((2, 12))
    paired = paired_effect(dict(enumerate(np.exp(after))), dict(enumerate(np.exp(before)))).interval
    apart = shift(before, after)[1]
    assert paired is not None
    assert apart is not None
    assert apart.high - apart.low > 2 * (log(paired.high) - log(paired.low))


@every("trials", [4, 8, 12, 24])
def test_93_of_100_intervals_hold_the_truth_if_runs_vary_as_trials_do(trials: int) -> None:
    generator = np.random.default_rng(6)
    values = generator.standard_normal((1000, 2, trials)) + generator.standard_normal((1000, 2, 1))
    found = [shift(before, after)[1] or (1, 1) for before, after in values]
    assert np.mean([low <= 0 <= high for low, high in found]) >= 0.93
    narrow = [rank_sum.shift(before, after)[1] or (1, 1) for before, after in values]
    assert np.mean([low <= 0 <= high for low, high in narrow]) < 0.85


def test_the_allowance_is_what_two_trials_differ_by() -> None:
    values = np.arange(12.0)
    spread = float(np.std(values, ddof=1))
    assert drift(values, values + 5, 0.025) == pytest.approx(2.074 * 2**0.5 * spread, rel=0.001)
    assert drift(np.ones(6), np.ones(6), 0.025) == 0


def test_no_drift_explains_a_run_that_served_nothing() -> None:
    before, silent = np.log([100.0, 101.0, 102.0, 103.0]), np.full(4, -inf)
    assert shift(before, silent) == rank_sum.shift(before, silent)


def test_a_run_whose_spread_is_not_known_bounds_nothing() -> None:
    before, unknown = np.log([100.0, 101.0, 102.0, 103.0]), np.array([4.6, np.nan, np.nan, np.nan])
    assert shift(before, unknown)[1] == (-inf, inf)

"""The shift between two samples that cannot be paired."""

from __future__ import annotations

import numpy as np
import pytest
import scipy  # whose statistics are only loaded where they are used
from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.stats.rank_sum import EXACT_UP_TO, FEWEST_EACH, _chances, critical, shift

samples = st.lists(st.floats(-10, 10), min_size=4, max_size=9).map(np.array)


@given(samples, samples)
def test_the_estimate_lies_inside_its_interval(first: np.ndarray, second: np.ndarray) -> None:
    estimate, interval = shift(first, second)
    assert interval is not None
    assert interval.low <= estimate <= interval.high


@every(("first", "second"), [(4, 4), (5, 9), (8, 8), (12, 7)])
def test_critical_values_are_those_of_the_exact_rank_sum_test(first: int, second: int) -> None:
    cut = critical(first, second, 0.025)
    assert cut is not None
    at, beyond = (exact_tail(first, second, u) for u in (cut, cut + 1))
    assert at <= 0.025 < beyond


@every(("first", "second"), [(51, 50), (100, 30), (400, 8)])
def test_large_samples_get_the_exact_critical_value_within_half_a_percent(first: int, second: int) -> None:
    exact = int(np.searchsorted(np.cumsum(_chances(first, second)), 0.025, side="right")) - 1
    assert first * second > EXACT_UP_TO
    assert critical(first, second, 0.025) == pytest.approx(exact, rel=0.005)


def exact_tail(first: int, second: int, wanted: int) -> float:
    """P(U ≤ wanted), by scipy: values arranged so that U is exactly that."""
    low, used = np.arange(first, dtype=float), 0
    ours = low - 1000.0
    theirs = np.arange(second, dtype=float)
    for index in range(first - 1, -1, -1):
        step = min(second, wanted - used)
        ours[index] = step - 0.5 + 0.01 * index
        used += step
        if used == wanted:
            break
    return float(scipy.stats.mannwhitneyu(ours, theirs, alternative="less", method="exact").pvalue)


def test_three_trials_on_each_side_are_too_few_for_an_interval() -> None:
    assert shift(np.zeros(3), np.ones(3)) == (1.0, None)
    assert shift(np.zeros(FEWEST_EACH), np.ones(FEWEST_EACH))[1] is not None


def test_trials_that_served_nothing_pull_the_interval_down() -> None:
    before, after = np.log([100.0] * 6), np.array([5.0, 5.1, 5.0, -np.inf, -np.inf, -np.inf])
    estimate, interval = shift(before, after)
    assert interval is not None
    assert estimate == interval.low == -np.inf
    assert interval.high > 0


def test_an_unknown_trial_counts_against_both_ends() -> None:
    before = np.linspace(0, 0.1, 6)
    known, _ = shift(before, before + 1)
    estimate, interval = shift(before, np.append(before + 1, np.nan))
    assert estimate == pytest.approx(known)
    _, few = shift(before[:4], np.append(before[:3] + 1, np.nan))
    assert interval is not None
    assert interval.low <= known <= interval.high
    assert few == (-np.inf, np.inf)


@every("noise", ["normal", "bimodal"])
def test_at_least_95_of_100_intervals_hold_no_shift_where_there_is_none(noise: str) -> None:
    generator = np.random.default_rng(5)

    def draw() -> np.ndarray:
        modes = generator.choice([0.0, 3.0], 8) if noise == "bimodal" else 0.0
        return modes + generator.standard_normal(8)

    covered = [low <= 0 <= high for low, high in ((shift(draw(), draw())[1] or (1, 1)) for _ in range(1000))]
    assert np.mean(covered) >= 0.95 - 3 * 0.007

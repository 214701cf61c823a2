"""A day's profile has the mean, the peak and the hours that were asked for, from any hour on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.fleet.traffic.day import Day

DAY = 86_400.0
hours = st.floats(0, 23.99)


@given(peak=hours, trough=hours, start=hours, share=st.floats(0, 1), days=st.integers(1, 3))
def test_the_mean_over_whole_days_is_the_one_given(
    peak: float, trough: float, start: float, share: float, days: int
) -> None:
    if abs(peak - trough) < 0.1:
        return
    day = Day(mean_rate=40.0, peak_hour=peak, trough_hour=trough, trough_share=share, start_hour=start)
    rates = day.rates(days * DAY)
    assert rates.expected[-1] == pytest.approx(40.0 * days * DAY, rel=1e-3)
    assert rates.per_second.min() >= 0
    assert rates.seconds == days * DAY
    assert np.all(np.diff(rates.edges) > 0)


def test_the_highest_and_lowest_rates_are_at_their_hours() -> None:
    rates = Day(peak_rate=100.0, peak_hour=14.0, trough_hour=3.0, trough_share=0.1).rates(None)
    middles = (rates.edges[:-1] + rates.edges[1:]) / 7200
    assert rates.per_second.max() == pytest.approx(100.0, rel=1e-4)
    assert middles[rates.per_second.argmax()] == pytest.approx(14.0, abs=0.02)
    assert rates.per_second.min() == pytest.approx(10.0, rel=1e-3)
    assert middles[rates.per_second.argmin()] == pytest.approx(3.0, abs=0.02)


def test_a_day_is_one_day_in_steps_of_a_minute_and_repeats() -> None:
    day = Day(peak_rate=50.0)
    assert day.rates(None).seconds == DAY
    assert day.rates(None).per_second.size == 1440
    twice = day.rates(2 * DAY)
    assert twice.per_second[:1440] == pytest.approx(twice.per_second[1440:])
    assert twice.per_second[:1440] == pytest.approx(day.rates(None).per_second)


def test_an_hour_from_half_past_eight_is_that_hour_of_the_day() -> None:
    hour = Day(peak_rate=50.0, start_hour=8.5).rates(3600)
    whole = Day(peak_rate=50.0).rates(None)
    assert hour.per_second == pytest.approx(whole.per_second[510:570])


def test_a_few_seconds_are_one_step() -> None:
    rates = Day(peak_rate=50.0, start_hour=15.0).rates(1.5)
    assert list(rates.edges) == [0.0, 1.5]
    assert rates.per_second[0] == pytest.approx(50.0, rel=1e-4)


def test_each_hour_has_its_share_of_the_days_requests() -> None:
    shares = [float(hour % 5) for hour in range(24)]
    rates = Day(mean_rate=10.0, hourly_shares=shares).rates(None)
    by_hour = np.diff(rates.expected)
    assert by_hour / by_hour.sum() == pytest.approx(np.array(shares) / sum(shares))
    assert by_hour.sum() == pytest.approx(10.0 * DAY)
    assert max(Day(peak_rate=7.0, hourly_shares=shares).rates(None).per_second) == 7.0


def test_hourly_shares_begin_at_the_hour_of_the_start() -> None:
    rates = Day(peak_rate=23.0, hourly_shares=[float(hour) for hour in range(24)], start_hour=22.5).rates(2 * 3600)
    assert list(rates.edges) == [0.0, 1800.0, 5400.0, 7200.0]
    assert rates.per_second == pytest.approx([22.0, 23.0, 0.0])


@every(
    ("given_parameters", "wrong"),
    [
        ({}, "either mean_rate or peak_rate"),
        ({"mean_rate": 1.0, "peak_rate": 2.0}, "either mean_rate or peak_rate"),
        ({"mean_rate": 1.0, "hourly_shares": [1.0] * 23}, "24 numbers"),
        ({"mean_rate": 1.0, "hourly_shares": [0.0] * 24}, "not all 0"),
        ({"mean_rate": 1.0, "peak_hour": 4.0}, "must differ"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(given_parameters: dict[str, float], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Day(**given_parameters)  # type: ignore[arg-type]


def test_the_rate_never_jumps_along_the_cosine() -> None:
    rates = Day(peak_rate=100.0, trough_share=0.0, peak_hour=8.0, trough_hour=7.0).rates(2 * DAY)
    assert max(abs(later - earlier) for earlier, later in pairwise(rates.per_second)) < 100 * np.pi / 2 / 60 + 0.1

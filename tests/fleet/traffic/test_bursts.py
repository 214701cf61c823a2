"""Bursts begin and end at exact times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadlab.fleet.traffic.bursts import Bursts


def test_bursts_begin_and_end_at_exact_times() -> None:
    rates = Bursts(base_rate=5.0, burst_rate=50.0, burst_seconds=10.0, period_seconds=60.0, first_seconds=7.5).rates(75)
    assert list(rates.edges) == [0.0, 7.5, 17.5, 67.5, 75.0]
    assert list(rates.per_second) == [5.0, 50.0, 5.0, 50.0]


def test_the_first_burst_may_come_at_once() -> None:
    rates = Bursts(base_rate=0.0, burst_rate=50.0, burst_seconds=10.0, period_seconds=60.0).rates(None)
    assert list(rates.edges) == [0.0, 10.0, 60.0]
    assert list(rates.per_second) == [50.0, 0.0]


def test_before_the_first_burst_there_is_the_base_rate_alone() -> None:
    rates = Bursts(base_rate=5.0, burst_rate=9.0, burst_seconds=1.0, period_seconds=60.0, first_seconds=99.0).rates(50)
    assert (list(rates.edges), list(rates.per_second)) == ([0.0, 50.0], [5.0])


@given(
    burst=st.floats(1, 50),
    pause=st.floats(0.1, 50),
    first=st.floats(0, 200),
    seconds=st.floats(0.5, 1000),
    base=st.floats(0, 9),
)
def test_bursts_last_as_long_as_asked_for(
    burst: float, pause: float, first: float, seconds: float, base: float
) -> None:
    made = Bursts(
        base_rate=base, burst_rate=10.0, burst_seconds=burst, period_seconds=burst + pause, first_seconds=first
    ).rates(seconds)
    assert np.all(np.diff(made.edges) > 0)
    assert (made.edges[0], made.seconds) == (0.0, seconds)
    after = max(0.0, seconds - first)
    turns, rest = divmod(after, burst + pause)
    bursting = turns * burst + min(rest, burst)
    assert made.expected[-1] == pytest.approx(base * seconds + (10.0 - base) * bursting, rel=1e-6, abs=1e-6)


def test_a_burst_as_long_as_its_period_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than period_seconds"):
        Bursts(base_rate=1.0, burst_rate=2.0, burst_seconds=60.0, period_seconds=60.0)

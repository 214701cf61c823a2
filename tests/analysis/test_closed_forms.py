"""The closed forms agree with what was measured."""

from __future__ import annotations

import pytest
from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.analysis.closed_forms import reuse, smallest_age, under_way


@every(("rate", "age", "measured"), [(2, 1, 0.648), (8, 1, 0.886), (4, 3, 0.927)])
def test_reuse_was_measured_within_25_thousandths(rate: float, age: float, measured: float) -> None:
    assert reuse(rate, age) == pytest.approx(measured, abs=0.025)


def test_95_percent_reuse_takes_19_requests_within_the_age() -> None:
    assert smallest_age(0.95, 1.0) == pytest.approx(19)
    assert smallest_age(0.95, 38.0) == pytest.approx(0.5)


@given(st.floats(0.01, 0.99), st.floats(0.01, 1000))
def test_the_smallest_age_gives_just_the_reuse_wanted(wanted: float, rate: float) -> None:
    assert reuse(rate, smallest_age(wanted, rate)) == pytest.approx(wanted)


def test_without_age_nothing_is_reused() -> None:
    assert reuse(100.0, 0.0) == 0


def test_users_who_never_pause_are_all_under_way() -> None:
    assert under_way(rate=800.0, response_seconds=0.01) == pytest.approx(8)

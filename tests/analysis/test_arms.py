"""An arm sums up the complete trials of a case, and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from loadlab.analysis.arms import Measured, arm, estimate
from loadlab.analysis.trials import summarise

from .factories import CLOSED, KEPT, LEAKING, Behaviour, at_rate, case, trial

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.findings import Arm


def arm_of(of: Case, *behaviours: Behaviour) -> Arm:
    trials = [trial(of, block, behaviour) for block, behaviour in enumerate(behaviours, start=1)]
    return arm(of, [Measured(trial=one, summary=summarise(one)) for one in trials])


def test_invalid_and_failed_trials_enter_no_estimate() -> None:
    found = arm_of(
        case(),
        at_rate(100),
        replace(at_rate(900), state="invalid", reason="generator"),
        replace(at_rate(800), state="failed", reason="server"),
    )
    assert found.trials == 1
    assert found.throughput is not None
    assert found.throughput.value == pytest.approx(100)


def test_a_case_without_complete_trials_has_no_estimates() -> None:
    found = arm_of(case(max_age=60))
    assert (found.trials, found.throughput, found.p50_seconds, found.reuse) == (0, None, None, None)
    assert (found.leaks, found.expiry_observed, found.open_over_time) == (False, False, None)


@pytest.mark.parametrize("count", [1, 2])
def test_under_three_trials_an_estimate_has_no_interval(count: int) -> None:
    found = estimate([100.0, 102.0][:count])
    assert found is not None
    assert (found.low, found.high) == (None, None)


def test_an_estimate_is_the_median_with_students_interval_of_the_logarithms() -> None:
    found = estimate([80.0, 100.0, 125.0])
    assert found is not None
    assert found.value == 100
    assert found.low == pytest.approx(100 / 1.7405, rel=1e-3)
    assert found.high == pytest.approx(100 * 1.7405, rel=1e-3)


def test_percentiles_that_are_missing_everywhere_give_no_estimate() -> None:
    assert estimate([None, None]) is None


def test_a_rate_of_zero_leaves_no_interval() -> None:
    found = estimate([0.0, 10.0, 20.0])
    assert found is not None
    assert (found.value, found.low) == (10.0, None)


def test_reuse_counts_requests_that_found_a_connection_open() -> None:
    assert arm_of(case(max_age=60), KEPT, KEPT).reuse == pytest.approx(998 / 1000)
    assert arm_of(case(), CLOSED).reuse == 0


def test_connecting_takes_its_mean_over_all_opened() -> None:
    assert arm_of(case(), CLOSED, CLOSED).connect_seconds == pytest.approx(0.005)


def test_leaks_refusals_and_peaks_are_those_of_the_worst_trial_or_their_sum() -> None:
    found = arm_of(case(usable=8), KEPT, LEAKING, LEAKING)
    assert (found.leaks, found.refused, found.peak, found.left_open) == (True, 8, 60, 60)
    assert found.connect_errors == {"too_many_connections": 8}


@pytest.mark.parametrize(
    ("max_age", "seconds", "observed"), [(0, 9.0, None), (None, 9.0, None), (3, 9.0, True), (3, 8.9, False)]
)
def test_expiry_is_observed_in_windows_of_three_ages(
    max_age: float | None,
    seconds: float,
    observed: bool | None,  # noqa: FBT001
) -> None:
    assert arm_of(case(max_age=max_age), replace(KEPT, seconds=seconds)).expiry_observed is observed


def test_only_trials_whose_books_agree_are_exact() -> None:
    assert arm_of(case(max_age=60), KEPT, replace(KEPT, sessions=3)).exact_trials == 1

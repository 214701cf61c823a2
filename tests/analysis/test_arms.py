"""An arm sums up the complete trials of a case, and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from every import every
from factories.trials import CLOSED, KEPT, LEAKING, Behaviour, at_rate, case, trial
from hypothesis import given
from hypothesis import strategies as st

from loadlab.analysis.arms import MeasuredTrial, arm, estimate, percentile_estimates
from loadlab.analysis.trials import summarise
from loadlab.model.findings import Estimate
from loadlab.model.percentiles import Percentiles

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.findings import Arm


def arm_of(of: Case, *behaviours: Behaviour) -> Arm:
    trials = [trial(of, block, behaviour) for block, behaviour in enumerate(behaviours, start=1)]
    return arm(of, [MeasuredTrial(trial=one, summary=summarise(one)) for one in trials])


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


@every("count", [1, 2])
def test_under_three_trials_an_estimate_has_no_interval(count: int) -> None:
    found = estimate([100.0, 102.0][:count])
    assert found is not None
    assert (found.low, found.high) == (None, None)


def test_an_estimate_is_the_median_with_its_interval_of_order_statistics() -> None:
    assert estimate([5.0, 1.0, 4.0, 2.0, 3.0, 6.0]) == Estimate(value=3.5, low=1.0, high=6.0)
    assert estimate([80.0, 100.0, 125.0]) == Estimate(value=100, low=None, high=None)


def percentiles(p50: float, p95: float, p99: float | None) -> Percentiles:
    return Percentiles(p50=p50, p95=p95, p99=p99)


def test_a_p99_of_the_one_fast_trial_is_not_shown_beside_the_others() -> None:
    trials = [percentiles(0.04, 0.1, None)] * 7 + [percentiles(0.03, 0.06, 0.085)]
    p50, p95, p99 = percentile_estimates(trials)
    assert (p50 and p50.value, p95 and p95.value, p99) == (0.04, 0.1, None)


def test_a_p99_of_six_fast_trials_is_withheld_if_below_the_p95_of_all() -> None:
    fast, slow = percentiles(0.03, 0.06, 0.085), percentiles(0.04, 0.1, None)
    assert percentile_estimates([fast] * 6 + [slow] * 8)[2] is None
    assert percentile_estimates([fast] * 6 + [slow])[2] is not None
    assert percentile_estimates([fast] * 3)[2] is not None


@given(st.lists(st.tuples(*[st.floats(0.001, 1.0)] * 3, st.integers(0, 2)), min_size=1, max_size=15))
def test_shown_percentiles_never_decrease(drawn: list[tuple[float, float, float, int]]) -> None:
    made = []
    for *values, withheld in drawn:
        known: list[float | None] = [*sorted(values)[: 3 - withheld], None, None]
        made.append(Percentiles(p50=known[0], p95=known[1], p99=known[2]))
    shown = [one.value for one in percentile_estimates(made) if one]
    assert shown == sorted(shown)


def test_percentiles_that_are_missing_everywhere_give_no_estimate() -> None:
    assert estimate([None, None]) is None


def test_a_rate_of_zero_is_the_smallest_of_all() -> None:
    assert estimate([0.0, 10.0, 20.0, 21.0, 22.0, 23.0]) == Estimate(value=20.5, low=0.0, high=23.0)


def test_reuse_counts_requests_that_found_a_connection_open() -> None:
    assert arm_of(case(max_age=60), KEPT, KEPT).reuse == 998 / 1000
    assert arm_of(case(), CLOSED).reuse == 0


@pytest.mark.parametrize("opened", [3, 7, 11, 93])
def test_a_share_of_reuse_is_exact(opened: int) -> None:
    behaviour = replace(KEPT, opened=opened, reused=100 - opened)
    assert arm_of(case(max_age=60), behaviour).reuse == (100 - opened) / 100


def test_connecting_takes_its_mean_over_all_opened() -> None:
    assert arm_of(case(), CLOSED, CLOSED).connect_seconds == pytest.approx(0.005)


def test_leaks_and_peaks_are_the_worst_trials_and_refusals_the_sum() -> None:
    found = arm_of(case(usable=8), KEPT, LEAKING, LEAKING)
    assert (found.leaks, found.refused, found.peak, found.left_open) == (True, 8, 60, 60)
    assert found.connect_errors == {"too_many_connections": 8}


@every(("max_age", "seconds", "observed"), [(0, 9.0, None), (None, 9.0, None), (3, 9.0, True), (3, 8.9, False)])
def test_expiry_is_observed_in_windows_of_three_ages(
    max_age: float | None,
    seconds: float,
    observed: bool | None,  # noqa: FBT001
) -> None:
    assert arm_of(case(max_age=max_age), replace(KEPT, seconds=seconds)).expiry_observed is observed


def test_only_trials_whose_counts_reconcile_are_exact() -> None:
    assert arm_of(case(max_age=60), KEPT, replace(KEPT, sessions=3)).exact_trials == 1

"""How a trial went from its fault on, from columns that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from every import every
from factories.faulted import BEGAN, RATE, RESPONSE, WINDOW, Did, case, fault, trial
from factories.trials import WARMUP

from loadlab.model.course import MOST_SLICES, SLICE_SECONDS, course_of
from loadlab.model.planned_fault import FaultSeen
from loadlab.model.samples import Requests, Series

UNDER = case(under=fault())


def test_what_fails_after_the_fault_is_told_from_what_failed_before() -> None:
    one = trial(UNDER, Did(failed=7))
    early = replace(one.requests, failed=[1.0, *one.requests.failed[1:]])
    course = course_of(replace(one, requests=early))
    assert (course.failed, course.failed_before, course.failed_since) == (7, 1, 7)


def test_a_request_that_was_under_way_fails_and_was_not_sent_since() -> None:
    one = trial(UNDER, Did(failed=7))
    course = course_of(replace(one, fault_seen=FaultSeen(began=BEGAN, applied=BEGAN + 9)))
    assert (course.failed, course.failed_since, course.first_success) == (7, 0, None)


def test_the_first_success_counts_from_when_the_fault_was_in_place() -> None:
    course = course_of(trial(UNDER, Did(away=0.5, applied=0.2)))
    assert course.first_success == pytest.approx(0.3, abs=1 / RATE)
    assert course.silence == pytest.approx(0.5, abs=1 / RATE)


def test_a_success_that_was_sent_before_the_fault_says_nothing_of_it() -> None:
    assert (course_of(trial(UNDER)).first_success or 0.0) >= RESPONSE


def test_successes_are_counted_in_whole_slices_from_the_fault_on() -> None:
    course = course_of(trial(UNDER, Did(away=0.5)))
    rest = WARMUP + WINDOW - BEGAN
    assert len(course.successes) == int(rest / SLICE_SECONDS)
    assert course.successes[:2] == (0, 0)
    assert set(course.successes[3:]) <= set(range(round(RATE * SLICE_SECONDS) - 1, round(RATE * SLICE_SECONDS) + 2))


def test_without_a_fault_a_trial_is_told_from_the_start_of_its_window() -> None:
    course = course_of(trial(case()))
    assert len(course.successes) == round(WINDOW / SLICE_SECONDS)
    assert (course.failed, course.failed_before, course.opened) == (0, 0, 0)


def test_the_most_opened_in_a_second_is_between_two_samples() -> None:
    at = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    opened = [0.0, 1.0, 4.0, 9.0, 9.0, 10.0]
    one = replace(trial(case()), window_start=0.0, series=Series(at=at, values={"opened": opened}))
    assert (course_of(one).opened, course_of(one).most_opened) == (10, 8)


def test_where_nothing_was_sampled_for_longer_a_second_had_the_mean() -> None:
    series = Series(at=[0.0, 4.0], values={"opened": [0.0, 12.0]})
    one = replace(trial(case()), window_start=0.0, series=series)
    assert course_of(one).most_opened == 3


def test_without_samples_nothing_is_known_of_connections() -> None:
    course = course_of(replace(trial(UNDER), series=Series(at=[], values={})))
    assert (course.open_then, course.opened, course.most_opened) == (None, 0, 0)


@every("value", [math.nan, math.inf, -math.inf, 1e308])
def test_columns_of_any_numbers_have_a_course(value: float) -> None:
    broken = Requests(ended=[value, 1.0], response=[1.0, value], failed=[0.0, value])
    series = Series(at=[0.0, value], values={"opened": [value, 1.0], "open": [value, value]})
    course = course_of(replace(trial(UNDER), requests=broken, series=series))
    assert (course.opened, course.open_then) == (0, 0)


def test_a_window_without_end_has_so_many_slices_and_no_more() -> None:
    assert len(course_of(replace(trial(case()), window_end=1e7)).successes) == MOST_SLICES

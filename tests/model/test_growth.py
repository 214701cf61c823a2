"""What grew between two readings: counters that began anew count from 0, and what a reading missed is as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadlab.model.counts import ConnectionCounts
from loadlab.model.growth import began_anew, increase, restarts, sessions_between, since_first, without_gaps


def test_counters_grow_and_gauges_are_as_they_are_now() -> None:
    earlier = ConnectionCounts(opened=10, reused=4, closed={"max_age": 8}, open=2)
    now = ConnectionCounts(opened=13, reused=9, closed={"max_age": 9, "explicit": 1}, open=3)
    assert increase(earlier, now) == ConnectionCounts(opened=3, reused=5, closed={"max_age": 1, "explicit": 1}, open=3)


def test_one_counter_that_falls_shows_that_all_began_anew() -> None:
    earlier, now = ConnectionCounts(opened=110, reused=55), ConnectionCounts(opened=4, reused=60)
    assert began_anew(earlier, now)
    assert increase(earlier, now) == now


def test_a_reason_that_falls_shows_it_too() -> None:
    earlier, now = ConnectionCounts(closed={"max_age": 5}), ConnectionCounts(closed={"max_age": 2, "explicit": 9})
    assert increase(earlier, now) == now


def test_a_gauge_that_falls_shows_nothing() -> None:
    assert not began_anew(ConnectionCounts(opened=9, open=9, pool_size=4), ConnectionCounts(opened=9))


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=6), min_size=1, max_size=5))
def test_the_sum_over_restarts_is_what_every_generation_counted(generations: list[list[int]]) -> None:
    """Each generation counts from 0, and is read before it ends: but for falls that its first reading hides."""
    readings, expected, level = [], 0, None
    for steps in generations:
        total = 0
        for step in steps:
            total += step
            readings.append(ConnectionCounts(opened=total, open=step))
            if level is not None:
                expected += total - level if total >= level else total
            level = total
    series = since_first(readings)
    assert series[-1].opened == expected
    assert [one.open for one in series] == [one.open for one in readings]


def test_a_restart_is_told_by_the_first_reading_after_it() -> None:
    readings = [ConnectionCounts(opened=opened) for opened in (3, 5, 1, 1, 4, 0)]
    assert restarts(readings) == [2, 5]
    assert restarts(readings[:2]) == []


def test_a_reading_that_missed_a_counter_has_its_earlier_value() -> None:
    earlier = ConnectionCounts(opened=100, reused=900, closed={"max_age": 97}, open=3)
    missed = ConnectionCounts(reused=950, open=2)
    assert without_gaps(earlier, missed) == ConnectionCounts(opened=100, reused=950, closed={"max_age": 97}, open=2)


def test_nothing_is_filled_where_other_counters_began_anew() -> None:
    restarted = ConnectionCounts(reused=3)
    assert without_gaps(ConnectionCounts(opened=100, reused=900), restarted) == restarted


def test_sessions_are_not_known_across_a_reset_of_the_statistics() -> None:
    earlier, later = {"sessions": 5.0, "sessions_reset": 1.0}, {"sessions": 8.0, "sessions_reset": 1.0}
    assert sessions_between(earlier, later) == 3
    assert sessions_between(earlier, {**later, "sessions_reset": 2.0}) is None
    assert sessions_between(later, earlier) is None
    assert sessions_between({}, later) is None

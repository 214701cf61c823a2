"""The table of a staircase: rates and times of each step, of the requests that ended in it."""

from __future__ import annotations

from loadlab.load.locust_plugins.staircase import Staircase


def staircase() -> Staircase:
    stairs = Staircase()
    stairs.stand(1, at=100.0)
    for number in range(20):
        stairs.add(10.0 + number, at=100.05 + number / 10)
    stairs.stand(2, at=102.0)
    stairs.add(50.0, at=102.5)
    stairs.stand(2, at=103.0)
    stairs.stand(3, at=104.0)
    return stairs


def test_a_step_has_its_rate_its_median_and_its_slowest_twentieth() -> None:
    _, first, second = [line.split() for line in staircase().lines()]
    assert first == ["1", "10.0", "19.5", "28.0"]
    assert second == ["2", "0.5", "50.0", "50.0"]


def test_a_step_without_requests_has_no_line_in_the_table() -> None:
    assert len(staircase().lines()) == 3
    nothing = Staircase()
    nothing.stand(4, at=0.0)
    assert nothing.lines() == []


def test_a_request_outside_of_all_steps_belongs_to_none() -> None:
    stairs = Staircase()
    stairs.add(1.0, at=1.0)
    assert stairs.lines() == []
    stairs = staircase()
    stairs.clear()
    assert stairs.lines() == []

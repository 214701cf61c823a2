"""The plan that measures what the fleet model has to know."""

from __future__ import annotations

from loadlab.fleet.calibration import calibration_plan
from loadlab.model.config import Config
from loadlab.plan.experiment import read_plan

TWO = Config(name="gthread", parameters={"workers": 2, "threads": 3})


def test_a_mode_is_measured_at_both_ends_of_the_ages() -> None:
    made = read_plan(calibration_plan([TWO]), "calibration")
    cases = [case for case in made.cases if not case.replica]
    assert {case.server.name for case in cases if case.server} == {"gthread"}
    assert {case.strategy.parameters["max_age"] for case in cases if case.strategy} == {0, None}
    assert all(case.open_load is not None for case in cases)
    assert {case.server.parameters["threads"] for case in cases if case.server} == {3}


def test_it_takes_seconds_and_not_minutes() -> None:
    assert read_plan(calibration_plan([TWO]), "calibration").expected_seconds < 60


def test_other_keys_can_be_replaced() -> None:
    made = read_plan(calibration_plan([TWO, Config(name="sync", parameters={})], window_seconds=2.0), "calibration")
    assert made.plan.window_seconds == 2.0
    assert {case.server.name for case in made.cases if case.server} == {"gthread", "sync"}


def test_the_plan_that_loadlab_brings_is_whole() -> None:
    names = ("sync", "gthread", "gevent", "asgi")
    made = read_plan(calibration_plan([Config(name=name, parameters={}) for name in names]), "calibration")
    assert {case.server.name for case in made.cases if case.server} == set(names)

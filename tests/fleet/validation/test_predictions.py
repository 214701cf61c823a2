"""What the model says of a configuration before it is run, and why it was wrong."""

from __future__ import annotations

from dataclasses import replace

from loadlab.fleet.validation.comparison import misses
from loadlab.fleet.validation.configurations import configurations
from loadlab.fleet.validation.predictions import predict
from loadlab.fleet.validation.scenes import arrivals_of, scene
from loadlab.model.config import Config
from loadlab.model.fleet import Application, Distribution, Spread
from loadlab.model.fleet_validation import Configuration, PlannedEvent, ValidationTrial

APPLICATION = Application(
    connect_seconds=Distribution(values=(0.002,)),
    hold_seconds=Distribution(values=(0.003,)),
    spreads={"gthread": Spread()},
    boot_seconds={"gthread": 2.0},
    stop_seconds={"gthread": 0.5},
    restart_seconds=0.25,
)
(QUIET,) = configurations(1, 1, ["gthread"])
KEPT = replace(
    QUIET,
    hosts=2,
    server=Config(name="gthread", parameters={"workers": 1, "threads": 2, "keep_alive_seconds": 60}),
    strategy=Config(name="max_age", parameters={"max_age": None, "conn_health_checks": False}),
    rate=20.0,
    seconds=30.0,
    events=(),
)


def _trial(configuration: Configuration, **changes: float) -> ValidationTrial:
    predicted = predict(configuration, APPLICATION).mean
    return ValidationTrial(number=0, began=0.0, measured=replace(predicted, **changes))


def test_a_prediction_has_every_request_of_the_load() -> None:
    predicted = predict(KEPT, APPLICATION)
    assert predicted.mean.requests == predicted.low.requests == arrivals_of(KEPT).size
    assert predicted.mean.opened == 4
    assert predicted.mean.reused == predicted.mean.requests - 4
    assert 3.5 < predicted.mean.mean_open <= predicted.mean.p99_open == 4


def test_a_prediction_is_the_same_for_the_same_seed() -> None:
    one = replace(KEPT, strategy=Config(name="max_age", parameters={"max_age": 1, "conn_health_checks": False}))
    assert predict(one, APPLICATION) == predict(one, APPLICATION)


def test_what_is_near_enough_is_no_miss() -> None:
    assert misses(predict(KEPT, APPLICATION), _trial(KEPT, opened=6.0), APPLICATION) == ()


def test_a_miss_without_any_explanation_says_so() -> None:
    (miss,) = misses(predict(KEPT, APPLICATION), _trial(KEPT, opened=7.0), APPLICATION)
    assert (miss.figure, miss.predicted, miss.measured, miss.causes) == ("opened", 4.0, 7.0, ("unknown",))


def test_a_load_that_fell_short_is_named_as_a_cause() -> None:
    short = _trial(KEPT, reused=400.0, requests=404.0)
    (miss,) = misses(predict(KEPT, APPLICATION), short, APPLICATION)
    assert miss.causes == ("short_load",)


def test_an_event_at_another_time_is_named_as_a_cause() -> None:
    deployed = replace(KEPT, seconds=30.0, events=(PlannedEvent(kind="rolling_deployment", at=29.9),))
    planned = scene(replace(KEPT, events=(PlannedEvent(kind="rolling_deployment", at=10.0),)), APPLICATION)
    really = predict(deployed, APPLICATION, happens=planned).mean
    trial = ValidationTrial(number=0, began=0.0, measured=really, ends=planned.ends)
    found = misses(predict(deployed, APPLICATION), trial, APPLICATION)
    assert {miss.figure: miss.causes for miss in found} == {"opened": ("event_times",)}


def test_a_machine_without_a_core_to_spare_is_named_as_a_cause() -> None:
    busy = replace(_trial(KEPT, opened=7.0), busy=0.95)
    late = replace(_trial(KEPT, opened=7.0), late_seconds=0.2)
    for trial in (busy, late):
        (miss,) = misses(predict(KEPT, APPLICATION), trial, APPLICATION)
        assert miss.causes == ("busy_machine",)

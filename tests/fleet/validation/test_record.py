"""The record of a validation: it is read as it was written, and not where predictions were changed afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadlab.errors import UsageError
from loadlab.fleet.validation.comparison import missed, within
from loadlab.fleet.validation.configurations import configurations
from loadlab.fleet.validation.record import as_json, read_validation, sealed
from loadlab.model.fleet import Outage, ProcessesEnd
from loadlab.model.fleet_validation import FleetFigures, Miss, Prediction, ValidationTrial

FIGURES = FleetFigures(opened=40.0, mean_open=8.5, p99_open=10.0, requests=100.0, reused=60.0, refused=0.0, failed=0.0)
PREDICTIONS = [
    Prediction(configuration=one, mean=FIGURES, low=FIGURES, high=FIGURES, repeats=20)
    for one in configurations(1, 12, ["gthread", "sync", "asgi"])
]
SEEN = replace(
    FIGURES,
    opened=50.0,
    gaps=("opened_differs",),
)
MISS = Miss(figure="opened", predicted=40.0, measured=50.0, predicted_as_seen=49.0, causes=("event_times",))
TRIALS = (
    ValidationTrial(
        number=0,
        began=2000.5,
        measured=SEEN,
        misses=(MISS,),
        ends=(ProcessesEnd(at=1.0, first=0, last=1, serving_again=3.0, gone=1.5),),
        outages=(Outage(start=5.0, end=6.0, first=0, last=2),),
    ),
    ValidationTrial(number=1, began=2100.0, error="The server did not start."),
)


def test_a_validation_is_read_as_it_was_written() -> None:
    whole = replace(sealed(PREDICTIONS, 1000.0), trials=TRIALS, complete=True, versions={"django": "5.2"})
    assert read_validation(as_json(whole), "x.json") == whole


def test_predictions_cannot_be_changed_after_they_are_sealed() -> None:
    better = replace(PREDICTIONS[0], mean=replace(FIGURES, opened=50.0))
    changed = replace(sealed(PREDICTIONS, 1000.0), predictions=(better, *PREDICTIONS[1:]), trials=TRIALS)
    with pytest.raises(UsageError, match="predictions are not those that were written before the trials"):
        read_validation(as_json(changed), "x.json")


def test_a_trial_that_began_before_the_predictions_is_refused() -> None:
    early = replace(sealed(PREDICTIONS, 2050.0), trials=TRIALS)
    with pytest.raises(UsageError, match="a trial began before the predictions were written"):
        read_validation(as_json(early), "x.json")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"predictions": 3}'])
def test_what_is_no_validation_is_refused_in_one_message(text: str) -> None:
    with pytest.raises(UsageError, match=r"x\.json is not the record of a validation"):
        read_validation(text, "x.json")


@pytest.mark.parametrize(
    ("predicted", "measured", "near"),
    [
        (110, 100, True),
        (110.1, 100, False),
        (90, 100, True),
        (2, 0, True),
        (2.1, 0, False),
        (5, 7, True),
        (4.9, 7, False),
    ],
)
def test_near_enough_is_ten_percent_or_two(predicted: float, measured: float, near: bool) -> None:  # noqa: FBT001
    assert within(predicted, measured) is near


def test_reuse_and_refusals_are_near_enough_within_two_percent_of_requests() -> None:
    many = replace(FIGURES, requests=1000.0, reused=100.0, refused=5.0)
    assert missed(replace(many, reused=120.0, refused=25.0), many) == ()
    assert missed(replace(many, reused=121.0, refused=26.0), many) == ("reused", "refused")
    assert missed(replace(many, reused=111.0, refused=8.0), many, least_share=0.0) == ("reused", "refused")
    few = replace(FIGURES, requests=10.0, reused=3.0)
    assert missed(replace(few, reused=5.0), few) == ()


def test_only_judged_figures_are_missed() -> None:
    assert missed(FIGURES, replace(FIGURES, failed=90.0)) == ()
    assert missed(FIGURES, replace(FIGURES, reused=80.0, p99_open=20.0)) == ("p99_open", "reused")

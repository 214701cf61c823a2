"""How often predictions were near enough: of all trials, by server mode, by strategy, and on the page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from loadlab.fleet.validation.configurations import configurations
from loadlab.fleet.validation.record import sealed
from loadlab.fleet.validation.summary import Compared, Share, by_event, by_server, by_strategy, compared, share
from loadlab.model.fleet_validation import JUDGED, FleetFigures, Miss, Prediction, Validation, ValidationTrial
from loadlab.report.fleet_validation import fleet_validation_page, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RIGHT = FleetFigures(opened=40.0, mean_open=8.5, p99_open=10.0, requests=100.0, reused=60.0, refused=0.0, failed=0.0)
DRAWN = configurations(1000, 20, ["gthread", "sync", "asgi", "waitress"])


def _miss(figure: str) -> Miss:
    return Miss(figure=figure, predicted=40.0, measured=50.0, predicted_as_seen=49.0, causes=("event_times",))


def _validation(*, opened_missed: int, reused_missed: int = 0) -> Validation:
    """Of 20 trials the last did not come to an end, and the first has a doubtful count."""
    predictions = [Prediction(configuration=one, mean=RIGHT, low=RIGHT, high=RIGHT, repeats=20) for one in DRAWN]
    trials = [
        ValidationTrial(
            number=one.number,
            began=2000.0 + one.number,
            measured=replace(
                RIGHT,
                opened=50.0 if one.number < opened_missed else 40.0,
                reused=80.0 if one.number < reused_missed else 60.0,
                gaps=() if one.number else ("opened: 40 and 41",),
            ),
            misses=tuple(
                _miss(figure)
                for figure, missed in (("opened", opened_missed), ("reused", reused_missed))
                if one.number < missed
            ),
        )
        for one in DRAWN[:-1]
    ]
    broken = ValidationTrial(number=19, began=2100.0, error="A host did not start.")
    return replace(sealed(predictions, 1000.0), trials=(*trials, broken), complete=True)


def test_each_figure_is_counted_by_itself_and_all_together() -> None:
    found = share(compared(_validation(opened_missed=3, reused_missed=1)))
    assert (found.trials, found.together) == (19, 16)
    assert found.near == {"opened": 16, "mean_open": 19, "p99_open": 19, "reused": 18, "refused": 19}


def test_nine_in_ten_of_each_figure_are_enough() -> None:
    assert share(compared(_validation(opened_missed=1))).enough
    assert not share(compared(_validation(opened_missed=2))).enough
    assert share(compared(_validation(opened_missed=1, reused_missed=1))).enough


@pytest.mark.parametrize("by", [by_server, by_strategy, by_event])
def test_every_trial_is_in_one_group_of_each_kind(by: Callable[[Sequence[Compared]], Mapping[object, Share]]) -> None:
    trials = compared(_validation(opened_missed=3))
    groups = by(trials)
    assert sum(found.trials for found in groups.values()) == len(trials)
    assert sum(found.trials - found.near["opened"] for found in groups.values()) == 3


def test_strategies_are_told_apart_by_age_and_pool_mode_alone() -> None:
    kinds = by_strategy(compared(_validation(opened_missed=0)))
    assert all(set(kind.parameters) <= {"max_age", "pool_mode"} for kind in kinds)
    assert len({kind.name for kind in kinds}) > 1


def test_the_page_has_every_trial_every_miss_and_its_cause() -> None:
    page = fleet_validation_page(_validation(opened_missed=3, reused_missed=1))
    for one in DRAWN[:-1]:
        assert f"| {one.seed}" in page
    assert page.count("with their real times, the prediction is near enough") == 4
    assert page.count("**40.0 → 50.0**") == 3
    assert "seed 1019: A host did not start" in page
    assert "seed 1000: opened: 40 and 41" in page


def test_the_page_says_first_whether_the_model_was_right_often_enough() -> None:
    assert verdict(compared(_validation(opened_missed=1))) == (
        "Each figure was predicted near enough in 18 of 19 trials or more."
    )
    assert "Not each figure" in verdict(compared(_validation(opened_missed=4)))
    assert "opened was in 15 of 19" in verdict(compared(_validation(opened_missed=4)))


def test_a_stopped_validation_says_so_on_its_page() -> None:
    whole = _validation(opened_missed=0)
    assert "stopped before its last trial" not in fleet_validation_page(whole)
    assert "stopped before its last trial" in fleet_validation_page(replace(whole, complete=False))


def test_all_judged_figures_are_in_the_table_of_shares() -> None:
    found = share(compared(_validation(opened_missed=0)))
    assert tuple(found.near) == JUDGED

"""Trials are laid over each other at common instants."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories.trials import case, series, trial

from loadlab.analysis.open_over_time import open_over_time
from loadlab.model.samples import Series


def test_median_and_extremes_are_those_of_the_trials_at_each_instant() -> None:
    trials = [replace(trial(case()), series=series(held, 1.0)) for held in (2, 3, 9)]
    found = open_over_time(trials)
    assert found is not None
    assert found.at == pytest.approx([i / 10 for i in range(10)])
    assert (set(found.low), set(found.median), set(found.high)) == ({2.0}, {3.0}, {9.0})


def test_the_shortest_trial_sets_the_end() -> None:
    found = open_over_time([replace(trial(case()), series=series(2, end)) for end in (1.0, 3.0)])
    assert found is not None
    assert found.at[-1] == pytest.approx(0.9)


def test_a_count_holds_until_the_next_sample() -> None:
    seen = Series(at=[0.0, 0.25, 0.5], values={"open": [1.0, 4.0, 2.0]})
    found = open_over_time([replace(trial(case()), series=seen)])
    assert found is not None
    assert found.median == (1, 1, 1, 4, 4, 2)


def test_a_long_trial_is_shown_in_200_points() -> None:
    found = open_over_time([replace(trial(case()), series=series(2, 120.0, step=0.2))])
    assert found is not None
    assert len(found.at) == 200
    assert found.at[-1] == pytest.approx(119.8)


def test_without_samples_there_is_nothing_to_show() -> None:
    blank = Series(at=[], values={})
    assert open_over_time([replace(trial(case()), series=blank)]) is None
    assert open_over_time([]) is None

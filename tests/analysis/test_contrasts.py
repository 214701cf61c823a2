"""Two runs side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from report.factories import findings

from loadlab.analysis import contrast
from loadlab.report.content import contrasts

from .factories import Behaviour, at_rate, case, trial
from .factories import findings as analysed

if TYPE_CHECKING:
    from loadlab.model.findings import Contrast, Findings


def test_a_run_beside_itself_shows_ratios_of_one_and_no_differences() -> None:
    run = findings()
    found = contrast(run, run)
    assert {one.ratio for one in found.contrasts} == {1.0}
    assert (found.differences, found.only_before, found.only_after) == ((), (), ())
    assert all(one.low is None or one.low <= 1 <= (one.high or 0) for one in found.contrasts)


def test_a_version_that_changed_is_named_and_a_load_average_is_not() -> None:
    before = replace(findings(), environment={"versions": {"django": "5.2"}, "machine": {"load_average_at_start": 0.1}})
    after = replace(before, environment={"versions": {"django": "6.1"}, "machine": {"load_average_at_start": 0.9}})
    assert contrast(before, after).differences == (("versions: django", "5.2", "6.1"),)


def test_a_case_that_only_one_run_has_is_named() -> None:
    before = findings()
    after = replace(before, arms=before.arms[1:], trials=before.trials)
    assert contrast(before, after).only_before == (before.arms[0].case.id,)


def run_at(*rates: float) -> Findings:
    """One case at so many requests per second in each block; at 0 every request fails."""
    dead = Behaviour(requests=20, failed=20)
    return analysed([case()], [trial(case(), b, at_rate(rate) if rate else dead) for b, rate in enumerate(rates, 1)])


def throughput(before: Findings, after: Findings) -> Contrast:
    (one,) = [one for one in contrast(before, after).contrasts if one.metric == "throughput"]
    return one


def test_later_trials_that_fail_altogether_count_as_the_slowest() -> None:
    earlier = run_at(100, 101, 102, 100, 101, 102)
    one = throughput(earlier, run_at(150, 151, 152, 0, 0, 0))
    assert (one.ratio, one.low, one.trials) == (0.0, 0.0, (6, 6))
    one = throughput(earlier, run_at(150, 151, 152, 150, 151, 0))
    assert one.ratio == pytest.approx(1.485, abs=0.02)
    assert one.low == 0.0


def test_a_bimodal_machine_leaves_the_ratio_inside_its_interval() -> None:
    one = throughput(run_at(100, 200, 100, 200, 100, 100), run_at(100, 200, 200, 200, 100, 200))
    assert one.low is not None
    assert one.high is not None
    assert one.low <= one.ratio <= one.high


def test_three_trials_of_a_run_are_said_to_be_too_few() -> None:
    found = contrast(run_at(100, 101, 102), run_at(150, 151, 152))
    assert "too few trials for an interval" in contrasts.text(found, width=200)


def test_the_text_says_that_no_verdict_follows() -> None:
    run = findings()
    assert "For a verdict, measure both settings in one plan" in contrasts.text(contrast(run, run), width=200)

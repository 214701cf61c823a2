"""Two runs side by side."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import numpy as np
import pytest
from report.factories import findings
from scipy import stats

from loadlab.analysis import contrast
from loadlab.analysis.contrasts import welch
from loadlab.report.content import contrasts


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


def test_the_interval_is_welchs() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.normal(0, 1, 8), generator.normal(1, 2, 11)
    expected = stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
    assert welch(first, second) == pytest.approx((exp(expected.low), exp(expected.high)))
    assert welch(first[:2], second) == (None, None)


def test_the_text_says_that_no_verdict_follows() -> None:
    run = findings()
    assert "For a verdict, measure both settings in one plan" in contrasts.text(contrast(run, run), width=200)

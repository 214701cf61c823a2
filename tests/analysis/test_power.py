"""The smallest detectable difference is that of the paired t test."""

from __future__ import annotations

import numpy as np
import pytest

from loadlab.analysis.power import detectable_deviations, detectable_ratio
from loadlab.analysis.sign_flip import sign_flip_p


@pytest.mark.parametrize(("blocks", "deviations"), [(6, 1.44), (8, 1.16), (10, 1.00), (15, 0.78), (20, 0.67)])
def test_detectable_differences_are_those_of_the_published_table(blocks: int, deviations: float) -> None:
    assert detectable_deviations(blocks) == pytest.approx(deviations, rel=0.02)


def test_the_sign_flip_test_finds_such_a_difference_about_four_times_in_five() -> None:
    generator = np.random.default_rng(17)
    effect = detectable_deviations(10)
    found = [sign_flip_p(generator.standard_normal(10) + effect) < 0.05 for _ in range(1000)]
    assert 0.75 < np.mean(found) < 0.85


def test_a_noisier_run_detects_only_a_larger_ratio() -> None:
    quiet, noisy = detectable_ratio(0.01, 8), detectable_ratio(0.1, 8)
    assert quiet is not None
    assert noisy is not None
    assert 1 < quiet < noisy == pytest.approx(np.exp(0.1156), rel=0.001)


def test_two_blocks_detect_nothing_worth_a_figure() -> None:
    assert detectable_ratio(0.1, 2) is None

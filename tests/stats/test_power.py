"""The smallest detectable difference is that of the rule which gives the verdicts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from every import every

from loadlab.analysis.judgement import Bar, judge
from loadlab.stats.blocks import blocks_needed
from loadlab.stats.paired import paired_effect
from loadlab.stats.power import detectable_ratio

DEVIATION = 0.05 * 2**0.5  # of the log ratio of two trials that vary by 5 % each
BAR = Bar(margin=0.05, noise=0.0, higher_is_better=True)


def found(ratio: float, blocks: int, comparisons: int, *, bar: Bar = BAR, deviation: float = DEVIATION) -> float:
    """How often a true ratio is called better, where it alone of a family differs."""
    generator = np.random.default_rng([17, blocks, comparisons])
    baseline = dict.fromkeys(range(blocks), 1.0)
    called = 0
    for noise in generator.normal(np.log(ratio), deviation, (RUNS, blocks)):
        effect = paired_effect(dict(enumerate(np.exp(noise).tolist())), baseline)
        called += judge(effect, bar, p_adjusted=min(1.0, (effect.p or 1) * comparisons)) == "better"
    return called / RUNS


RUNS = 3000  # the standard error of a share of 0.8 is 0.0073


@every(("blocks", "comparisons"), [(6, 1), (8, 6), (10, 10), (12, 6), (14, 20)])
@pytest.mark.thorough
def test_what_is_said_to_be_detected_is_found_four_times_in_five(blocks: int, comparisons: int) -> None:
    ratio = detectable_ratio(DEVIATION, blocks, comparisons, margin=BAR.margin)
    assert ratio is not None
    assert found(ratio, blocks, comparisons) == pytest.approx(0.8, abs=0.03)


def test_it_is_so_with_a_noise_floor_that_is_the_higher_bar() -> None:
    bar = Bar(margin=0.05, noise=0.1, higher_is_better=True)
    ratio = detectable_ratio(DEVIATION, 10, 2, noise=bar.noise, margin=bar.margin)
    assert ratio is not None
    assert np.exp(0.1) < ratio
    assert found(ratio, 10, 2, bar=bar) == pytest.approx(0.8, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("blocks", range(6, 15))
@pytest.mark.parametrize("comparisons", [1, 2, 4, 6, 10, 20])
def test_it_is_so_for_all_numbers_of_blocks_and_comparisons(blocks: int, comparisons: int) -> None:
    ratio = detectable_ratio(DEVIATION, blocks, comparisons, margin=BAR.margin)
    if blocks < blocks_needed(comparisons):
        assert ratio is None
        return
    assert ratio is not None
    assert found(ratio, blocks, comparisons) == pytest.approx(0.8, abs=0.03)


def test_at_the_fewest_blocks_power_is_that_of_all_signs_agreeing() -> None:
    ratio = detectable_ratio(0.1, 8, 6)
    assert ratio == pytest.approx(np.exp(0.1 * 1.92), rel=0.005)  # the normal distribution at 0.8 ** (1 / 8) is 1.92


def test_nothing_within_the_margin_is_said_to_be_detected() -> None:
    assert detectable_ratio(0.001, 12, 1, margin=0.05) == pytest.approx(1.05)


def test_more_noise_or_a_larger_family_takes_a_larger_ratio() -> None:
    assert (
        (detectable_ratio(0.01, 10, 6) or 0)
        < (detectable_ratio(0.1, 10, 6) or 0)
        < (detectable_ratio(0.1, 10, 20) or 0)
    )


@every("comparisons", [1, 6, 20, 200])
def test_more_blocks_never_detect_less(comparisons: int) -> None:
    first = blocks_needed(comparisons)
    ratios = [detectable_ratio(0.05, blocks, comparisons) or 0 for blocks in (*range(first, first + 5), 24, 30, 100)]
    assert ratios == sorted(ratios, reverse=True)


def test_where_no_verdict_is_possible_nothing_is_detected() -> None:
    assert detectable_ratio(0.1, 5, 1) is None
    assert detectable_ratio(0.1, 8, 7) is None


def test_the_table_in_the_documentation_is_what_is_computed() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "plan.md").read_text(encoding="utf-8")
    heads, rows = (
        re.findall(r"(\d+) blocks \|", text),
        re.findall(r"^\| (\d+) \| (\d+) \| (.* %) \|$", text, re.MULTILINE),
    )
    assert len(rows) == 6
    for comparisons, needed, cells in rows:
        assert int(needed) == blocks_needed(int(comparisons))
        ratios = (detectable_ratio(DEVIATION, int(blocks), int(comparisons), margin=BAR.margin) for blocks in heads)
        assert cells.split(" | ") == [f"{100 * (ratio - 1):.1f} %" if ratio else "–" for ratio in ratios]

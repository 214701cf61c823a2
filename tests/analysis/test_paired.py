"""Cases are compared within blocks, so that what changes from block to block cancels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadlab.analysis.paired import paired_effect

rates = st.dictionaries(st.integers(1, 15), st.floats(0.1, 1000), min_size=1, max_size=15)


@given(rates)
def test_a_case_against_itself_has_a_ratio_of_1_and_no_evidence(values: dict[int, float]) -> None:
    effect = paired_effect(values, values)
    assert effect.ratio == pytest.approx(1)
    assert effect.p == 1


@given(rates, st.floats(0.1, 10))
def test_a_constant_factor_is_found_exactly_whatever_the_blocks_do(baseline: dict[int, float], factor: float) -> None:
    effect = paired_effect({block: factor * value for block, value in baseline.items()}, baseline)
    assert effect.ratio == pytest.approx(factor)
    assert effect.blocks == len(baseline)


@given(rates, rates)
def test_baseline_against_case_gives_the_inverse(case: dict[int, float], baseline: dict[int, float]) -> None:
    forth, back = paired_effect(case, baseline), paired_effect(baseline, case)
    assert forth.p == back.p
    assert (forth.ratio or 1) * (back.ratio or 1) == pytest.approx(1)


def test_only_blocks_that_both_sides_completed_are_paired() -> None:
    effect = paired_effect({1: 2.0, 2: 2.0, 4: 9.0}, {1: 1.0, 2: 1.0, 3: 1.0})
    assert (effect.blocks, effect.ratio) == (2, pytest.approx(2))


def test_no_block_in_common_gives_no_figures_at_all() -> None:
    effect = paired_effect({1: 2.0}, {2: 1.0})
    assert (effect.blocks, effect.ratio, effect.interval, effect.p) == (0, None, None, None)


def test_a_block_in_which_nothing_succeeded_makes_no_pair() -> None:
    assert paired_effect({1: 0.0, 2: 3.0}, {1: 1.0, 2: 1.0}).blocks == 1
    assert paired_effect({1: 1.0, 2: 3.0}, {1: 0.0, 2: 1.0}).blocks == 1


def test_drift_from_block_to_block_does_not_widen_the_interval() -> None:
    generator = np.random.default_rng(19)
    drift = {block: float(value) for block, value in enumerate(np.exp(generator.standard_normal(8)), start=1)}
    noise = np.exp(0.01 * generator.standard_normal(8))
    effect = paired_effect({block: drift[block] * 1.2 * noise[block - 1] for block in drift}, drift)
    assert effect.interval is not None
    assert 1.18 < effect.interval.low < 1.2 < effect.interval.high < 1.22


def test_six_blocks_that_all_agree_give_p_of_one_32nd() -> None:
    blocks = range(1, 7)
    assert paired_effect({b: 2.0 + b for b in blocks}, dict.fromkeys(blocks, 1.0)).p == 1 / 32

"""Cases are compared within blocks, so that what changes from block to block cancels."""

from __future__ import annotations

import numpy as np
import pytest
from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.stats.paired import paired_effect

rates = st.dictionaries(st.integers(1, 15), st.floats(0.1, 1000), min_size=1, max_size=15)


@given(rates)
def test_a_case_against_itself_has_a_ratio_of_1_and_no_evidence(values: dict[int, float]) -> None:
    effect = paired_effect(values, values)
    assert effect.ratio == pytest.approx(1)
    assert effect.p == 1


@given(rates, st.floats(0.1, 10))
def test_a_constant_factor_is_found_exactly_under_any_block_effect(baseline: dict[int, float], factor: float) -> None:
    effect = paired_effect({block: factor * value for block, value in baseline.items()}, baseline)
    assert effect.ratio == pytest.approx(factor)
    assert effect.blocks == len(baseline)


@given(rates, rates)
def test_baseline_against_case_gives_the_inverse(case: dict[int, float], baseline: dict[int, float]) -> None:
    forth, back = paired_effect(case, baseline), paired_effect(baseline, case)
    assert forth.p == back.p
    assert (forth.ratio or 1) * (back.ratio or 1) == pytest.approx(1)
    if forth.interval and back.interval:
        assert forth.interval.low * back.interval.high == pytest.approx(1)


def test_only_blocks_that_both_sides_completed_are_paired() -> None:
    effect = paired_effect({1: 2.0, 2: 2.0, 4: 9.0}, {1: 1.0, 2: 1.0, 3: 1.0})
    assert (effect.blocks, effect.ratio) == (2, pytest.approx(2))


def test_no_block_in_common_gives_no_figures_at_all() -> None:
    effect = paired_effect({1: 2.0}, {2: 1.0})
    assert (effect.blocks, effect.ratio, effect.interval, effect.p) == (0, None, None, None)


def faster_but_for(dead: int, blocks: int) -> tuple[dict[int, float], dict[int, float]]:
    """1.3 times the baseline, and 0 in the last `dead` blocks."""
    baseline = {block: 100.0 + block for block in range(blocks)}
    case = {block: 0.0 if block >= blocks - dead else (1.3 + 0.001 * block) * baseline[block] for block in baseline}
    return case, baseline


@every(("dead", "blocks", "p"), [(6, 14, 0.326), (1, 8, 0.1953), (1, 6, 0.4375), (8, 8, 0.0078)])
def test_a_block_in_which_a_side_served_nothing_is_the_most_extreme_pair(dead: int, blocks: int, p: float) -> None:
    case, baseline = faster_but_for(dead, blocks)
    forth, back = paired_effect(case, baseline), paired_effect(baseline, case)
    finite = {block: rate or 1e-9 for block, rate in case.items()}
    assert forth.blocks == back.blocks == blocks
    assert forth.p == back.p == paired_effect(finite, baseline).p == pytest.approx(p, abs=1e-3)


def test_an_interval_reaches_to_0_where_several_trials_served_nothing() -> None:
    one, many = (paired_effect(*faster_but_for(dead, 12)).interval for dead in (1, 2))
    assert one is not None
    assert many is not None
    assert (one.low > 1, many.low) == (True, 0.0)


def test_two_sides_that_served_nothing_are_no_pair() -> None:
    effect = paired_effect({1: 0.0, 2: 2.0, 3: np.inf}, {1: 0.0, 2: 1.0, 3: np.inf})
    assert (effect.blocks, effect.ratio) == (1, pytest.approx(2))


def test_a_side_that_is_not_known_counts_against_both_directions() -> None:
    known = paired_effect({b: 2.0 + b for b in range(8)}, dict.fromkeys(range(8), 1.0))
    lost = paired_effect({b: 2.0 + b if b else np.nan for b in range(8)}, dict.fromkeys(range(8), 1.0))
    assert (known.p, lost.p, lost.blocks, lost.unknown) == (1 / 128, pytest.approx(0.1953, abs=1e-4), 8, 1)
    assert lost.interval == (0.0, np.inf)
    assert known.ratio is not None
    assert lost.ratio == pytest.approx(known.ratio, rel=0.2)


def test_two_sides_that_are_not_known_are_no_pair() -> None:
    assert paired_effect({1: np.nan, 2: 2.0}, {1: np.nan, 2: 1.0}).blocks == 1
    assert paired_effect({1: np.nan}, {1: 1.0}).ratio is None


extreme = st.dictionaries(st.integers(1, 12), st.floats(0.1, 1000) | st.sampled_from([0.0, np.inf, np.nan]), min_size=1)


@given(extreme, extreme)
def test_ratio_interval_and_p_agree_with_any_trial_lost(case: dict[int, float], baseline: dict[int, float]) -> None:
    effect = paired_effect(case, baseline)
    if effect.interval is None or effect.ratio is None or effect.p is None:
        return
    assert effect.interval.low <= effect.ratio <= effect.interval.high
    excludes_one = effect.interval.low > 1 + 1e-9 or effect.interval.high < 1 - 1e-9
    assert excludes_one == (effect.p <= 0.05) or effect.ratio == pytest.approx(1, abs=1e-6)


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


def test_two_blocks_have_a_deviation_and_one_has_none() -> None:
    two = paired_effect({1: 1.0, 2: 4.0}, {1: 1.0, 2: 1.0})
    assert two.deviation == pytest.approx(np.log(4.0) / np.sqrt(2))
    assert paired_effect({1: 4.0}, {1: 1.0}).deviation is None

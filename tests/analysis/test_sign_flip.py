"""The sign-flip test is exact, symmetric, and says no more than its number of blocks allows."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadlab.analysis.sign_flip import EXACT_UP_TO, sign_flip_p, smallest_p

differences = st.lists(st.integers(-1000, 1000).map(lambda n: n / 100), min_size=1, max_size=9)


def listed(values: list[float]) -> float:
    """The definition: every sign vector, one by one."""
    observed = abs(sum(values))
    sums = [sum(s * v for s, v in zip(signs, values, strict=True)) for signs in product((1, -1), repeat=len(values))]
    return sum(abs(total) >= observed - 1e-9 for total in sums) / len(sums)


@given(differences)
def test_counting_by_halves_gives_what_listing_all_signs_gives(values: list[float]) -> None:
    assert sign_flip_p(np.array(values)) == pytest.approx(listed(values))


@given(differences)
def test_swapping_case_and_baseline_does_not_change_p(values: list[float]) -> None:
    assert sign_flip_p(np.array(values)) == sign_flip_p(-np.array(values))


@pytest.mark.parametrize(("blocks", "p"), [(5, 0.0625), (6, 0.03125), (8, 0.0078125), (10, 0.001953125)])
def test_blocks_that_all_agree_give_the_smallest_possible_p(blocks: int, p: float) -> None:
    assert sign_flip_p(np.linspace(0.9, 1.1, blocks)) == p == smallest_p(blocks)


def test_no_difference_at_all_gives_p_of_1() -> None:
    assert sign_flip_p(np.zeros(8)) == 1
    assert sign_flip_p(np.zeros(0)) == 1


def test_sampled_and_exact_p_agree_where_both_could_be_used() -> None:
    generator = np.random.default_rng(11)
    shared = generator.normal(0.25, 1.0, EXACT_UP_TO)
    exact, sampled = sign_flip_p(shared), sign_flip_p(np.append(shared, 0.0))
    assert sampled == pytest.approx(exact, abs=0.02)
    assert 0.05 < exact < 0.95


def test_under_the_null_p_is_below_5_percent_at_most_that_often() -> None:
    generator = np.random.default_rng(13)
    p_values = [sign_flip_p(generator.standard_normal(8)) for _ in range(1000)]
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.065

"""Holm's correction keeps the family's error, and blocks must be many enough to overcome it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.stats.blocks import blocks_needed, smallest_p
from loadlab.stats.multiplicity import holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_holm_gives_the_adjusted_values_of_the_textbook() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


def test_a_single_comparison_needs_no_correction() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@given(p_values)
def test_adjusted_values_keep_the_order_and_never_fall_below_the_raw_ones(values: list[float]) -> None:
    adjusted = holm(values)
    pairs = sorted(zip(values, adjusted, strict=True))
    assert all(ours <= theirs for (_, ours), (_, theirs) in pairwise(pairs))
    assert all(raw <= corrected <= 1 for raw, corrected in pairs)


@given(p_values)
def test_holm_is_never_stricter_than_bonferroni(values: list[float]) -> None:
    bonferroni = [min(1.0, value * len(values)) for value in values]
    assert all(ours <= theirs for ours, theirs in zip(holm(values), bonferroni, strict=True))


@every("comparisons", [1, 2, 6, 7, 30])
def test_the_blocks_needed_are_enough_and_one_less_is_not(comparisons: int) -> None:
    needed = blocks_needed(comparisons)
    assert smallest_p(needed) * comparisons < 0.05 <= smallest_p(needed - 1) * comparisons


def test_six_comparisons_need_eight_blocks() -> None:
    assert blocks_needed(6) == 8

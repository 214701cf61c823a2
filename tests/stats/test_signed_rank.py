"""Test, estimate and interval are one method, exact for any symmetric noise."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy  # whose statistics are only loaded where they are used
from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.stats.blocks import smallest_p
from loadlab.stats.signed_rank import Averages, critical, tails


def p_of(differences: object) -> float:
    return float(Averages(np.array(differences)).p())


values = st.lists(st.floats(-10, 10), min_size=1, max_size=14)


@given(st.lists(st.integers(1, 10_000), min_size=6, max_size=14, unique=True), st.data())
def test_without_ties_p_is_that_of_scipy(sizes: list[int], data: st.DataObject) -> None:
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(sizes), max_size=len(sizes)))
    differences = np.array(sizes) * np.array(signs) / 7
    assert p_of(differences) == pytest.approx(scipy.stats.wilcoxon(differences, method="exact").pvalue)


@every("size", [1, 5, 9])
def test_tails_are_those_of_all_signs_one_by_one(size: int) -> None:
    sums = [sum(rank for rank, sign in enumerate(signs, 1) if sign) for signs in product((0, 1), repeat=size)]
    assert tails(size).tolist() == [np.mean(np.array(sums) <= w) for w in range(size * (size + 1) // 2 + 1)]


@every(("size", "cut"), [(6, 0), (7, 2), (8, 3), (10, 8), (12, 13), (20, 52)])
def test_critical_values_are_those_of_the_published_table(size: int, cut: int) -> None:
    """Hollander, Wolfe and Chicken, table A.4, at a two-sided level of at most 0.05."""
    assert critical(size, 0.025) == cut


@given(values)
def test_swapping_case_and_baseline_turns_all_around(drawn: list[float]) -> None:
    one, other = Averages(np.array(drawn)), Averages(-np.array(drawn))
    assert one.p() == other.p()
    assert one.estimate() == pytest.approx(-other.estimate())
    ours, theirs = one.interval(0.95), other.interval(0.95)
    assert (ours is None) == (theirs is None)
    if ours and theirs:
        assert ours == pytest.approx((-theirs[1], -theirs[0]))


@given(values)
def test_the_estimate_lies_in_the_narrow_interval_and_that_in_the_wide_one(drawn: list[float]) -> None:
    averages = Averages(np.array(drawn))
    wide, narrow = averages.interval(0.95), averages.interval(0.90)
    if wide and narrow:
        assert wide[0] <= narrow[0] <= averages.estimate() <= narrow[1] <= wide[1]


@given(st.lists(st.integers(-5, 5).map(float), min_size=6, max_size=12))
def test_the_interval_excludes_0_exactly_where_p_is_at_most_5_percent(drawn: list[float]) -> None:
    averages = Averages(np.array(drawn))
    interval = averages.interval(0.95)
    assert interval is not None
    assert (interval[0] > 0 or interval[1] < 0) == (averages.p() <= 0.05)


@given(st.lists(st.integers(-2, 2).map(float), min_size=6, max_size=8))
def test_ties_only_ever_count_against_a_difference(drawn: list[float]) -> None:
    broken = np.array(drawn) + np.linspace(-1e-4, 1e-4, len(drawn)) * np.sqrt(2)
    assert p_of(drawn) >= p_of(broken) - 1e-12


def test_no_difference_at_all_gives_p_of_1() -> None:
    assert p_of(np.zeros(8)) == 1
    assert Averages(np.zeros(8)).estimate() == 0


@every(("blocks", "p"), [(5, 0.0625), (6, 0.03125), (8, 0.0078125), (10, 0.001953125)])
def test_blocks_that_all_agree_give_the_smallest_possible_p(blocks: int, p: float) -> None:
    assert p_of(np.linspace(0.9, 1.1, blocks)) == p == smallest_p(blocks)


@every("size", [6, 8, 11, 14])
@every("noise", ["normal", "t3", "bimodal"])
def test_at_least_95_of_100_intervals_hold_the_truth(size: int, noise: str) -> None:
    generator = np.random.default_rng(7)
    draw = {
        "normal": generator.standard_normal,
        "t3": lambda n: generator.standard_t(3, n),
        "bimodal": lambda n: generator.choice([-1.0, 1.0], n) + 0.1 * generator.standard_normal(n),
    }[noise]
    interval = Averages(draw((5000, size))).interval(0.95)
    assert interval is not None
    assert np.mean((interval[0] <= 0) & (interval[1] >= 0)) >= 0.95 - 3 * 0.003


@given(st.lists(st.lists(st.floats(-9, 9) | st.sampled_from([np.inf, -np.inf]), min_size=7, max_size=7), min_size=1))
def test_runs_side_by_side_give_what_each_gives_alone(rows: list[list[float]]) -> None:
    together, alone = Averages(np.array(rows)), [Averages(np.array(row)) for row in rows]
    assert together.p().tolist() == [one.p() for one in alone]
    ends = [one.interval(0.95) for one in alone]
    assert np.array(together.interval(0.95)).T.tolist() == np.array(ends).tolist()


def test_a_thousand_blocks_are_tested_exactly_too() -> None:
    assert float(tails(1000)[critical(1000, 0.025) or 0]) == pytest.approx(0.025, abs=1e-4)

"""Looks before the last block: their joint distribution, and that they cost nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from every import every

from loadlab.stats.blocks import ALPHA
from loadlab.stats.sequential import cuts, family_cuts, look_at, looks, looks_of, only_early
from loadlab.stats.signed_rank import Averages, critical, tails


def negative_ranks(differences: np.ndarray) -> np.ndarray:
    ranks = np.abs(differences).argsort(axis=-1).argsort(axis=-1) + 1
    return (ranks * (differences < 0)).sum(axis=-1)


def all_signs(blocks: int) -> np.ndarray:
    return np.array(list(itertools.product((-1, 1), repeat=blocks)))


@every("early, blocks, last", [(2, 4, 0), (3, 5, 2), (4, 6, 5), (5, 6, 3), (4, 7, 6), (3, 7, 10)])
@pytest.mark.thorough
def test_the_price_of_a_look_is_that_of_the_worst_order_of_sizes(early: int, blocks: int, last: int) -> None:
    """Over all signs, for each order in which small and large differences may come."""
    signs = all_signs(blocks)
    chances = []
    for sizes in itertools.permutations(range(1, blocks + 1)):
        at_look, at_last = negative_ranks(sizes[:early] * signs[:, :early]), negative_ranks(sizes * signs)
        chances.append([((at_look <= cut) & (at_last > last)).mean() for cut in range(early * (early + 1) // 2 + 1)])
    assert np.max(chances, axis=0) == pytest.approx(only_early(early, blocks, last))


@every("blocks, comparisons", [(9, 1), (9, 2), (11, 1), (12, 1), (12, 2), (13, 3), (14, 1)])
def test_a_machine_that_grows_less_steady_gets_no_more_false_claims(blocks: int, comparisons: int) -> None:
    """With all signs, and with differences that grow, shrink or come at random: no more than is promised."""
    tail, signs = ALPHA / 2 / comparisons, all_signs(blocks)
    orders = [np.arange(1, blocks + 1), np.arange(blocks, 0, -1), np.random.default_rng(7).permutation(blocks) + 1]
    at = [(look.blocks, look.differs) for look in looks_of(2, blocks, comparisons) if look.differs is not None]
    assert at
    for sizes in orders:
        claimed = negative_ranks(sizes * signs) <= (critical(blocks, tail) or 0)
        for look, cut in at:
            claimed |= negative_ranks(sizes[:look] * signs[:, :look]) <= cut
        assert claimed.mean() <= tail


@every("blocks", [*range(7, 25), 40])
@pytest.mark.thorough
def test_all_looks_together_err_no_more_than_the_last_one_may(blocks: int) -> None:
    at = looks(2, blocks)
    for tail in (ALPHA, ALPHA / 2, *(ALPHA / 2 / family for family in (2, 3, 6, 12, 60))):
        last = critical(blocks, tail)
        found = cuts(at, blocks, tail)
        if last is None:
            assert not any(cut is not None for cut in found)
            continue
        added = sum(only_early(n, blocks, last)[cut] for n, cut in zip(at, found, strict=True) if cut is not None)
        assert tails(blocks)[last] + added <= tail * (1 + 1e-9)


def test_at_least_one_look_of_a_usual_plan_can_claim_something() -> None:
    """Else the test above would hold for nothing."""
    assert family_cuts(looks(2, 12), 12, 1) == (None, 0, 2)
    assert family_cuts(looks(2, 24), 24, 6)[5] == 0


@pytest.mark.thorough
def test_many_simulated_runs_err_as_rarely_as_promised() -> None:
    blocks, tail = 12, ALPHA / 2
    noise = np.random.default_rng(2013).standard_normal((100_000, blocks))
    claimed = Averages(noise).ends(critical(blocks, tail) or 0)[0] > 0
    for look in looks_of(2, blocks, 1):
        claimed |= Averages(noise[:, : look.blocks]).ends(look.covers)[0] > 0
    assert 0.8 * tail < claimed.mean() < tail + 3 * np.sqrt(tail / noise.shape[0])


@every("fewest, blocks, expected", [(2, 12, (6, 8, 10)), (9, 12, (10,)), (2, 6, ()), (2, 7, (6,)), (2, 101, ())])
def test_a_run_looks_after_each_second_block(fewest: int, blocks: int, expected: tuple[int, ...]) -> None:
    assert looks(fewest, blocks) == expected


def test_more_comparisons_never_make_a_claim_easier() -> None:
    for few, many in itertools.pairwise([family_cuts(looks(2, 18), 18, count) for count in range(1, 12)]):
        for before, after in zip(few, many, strict=True):
            assert after is None or (before is not None and after <= before)


def test_there_is_no_look_at_the_last_block_or_beside_one() -> None:
    assert look_at(12, 2, 12) is None
    assert look_at(9, 2, 12) is None
    assert (found := look_at(10, 2, 12)) is not None
    assert found.blocks == 10
    assert found.covers == 2

"""Schedules of an open load: what the plan says, the same for the same seed, and nothing lost between processes."""

from __future__ import annotations

from itertools import islice, takewhile

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlab.load.locust_plugins.arrivals import AT_A_TIME, arrivals
from loadlab.model.condition import OpenLoad

POISSON = OpenLoad(rate=200.0, arrivals="poisson")
UNIFORM = OpenLoad(rate=200.0, arrivals="uniform")
MANY = 3 * AT_A_TIME


def first(load: OpenLoad, count: int, seed: int = 7) -> list[float]:
    return list(islice(arrivals(load, seed), count))


def dispersion(load: OpenLoad) -> tuple[float, int]:
    """Variance over mean of the counts per tenth of a second, and how many there are: 1 for a Poisson process."""
    instants = first(load, MANY)
    counts = np.histogram(instants, bins=np.arange(0, int(instants[-1]), 0.1))[0]
    return float(counts.var(ddof=1) / counts.mean()), int(counts.size)


def test_poisson_arrivals_pass_the_dispersion_test() -> None:
    index, count = dispersion(POISSON)
    # Under the hypothesis, (n - 1) times the index is chi-squared with n - 1 degrees of freedom.
    probability = scipy.special.chdtr(count - 1, (count - 1) * index)
    assert 0.005 < probability < 0.995


def test_the_dispersion_test_tells_uniform_arrivals_from_poisson_ones() -> None:
    index, count = dispersion(UNIFORM)
    assert scipy.special.chdtr(count - 1, (count - 1) * index) < 1e-9


def test_the_gaps_of_poisson_arrivals_do_not_depend_on_each_other() -> None:
    gaps = np.diff(first(POISSON, MANY))
    assert gaps.mean() == pytest.approx(1 / 200, rel=0.05)
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 3 / np.sqrt(gaps.size)


def test_uniform_arrivals_are_exactly_where_their_numbers_put_them() -> None:
    load = OpenLoad(rate=3.0, arrivals="uniform")
    assert first(load, MANY) == [number / 3.0 for number in range(MANY)]


def test_the_same_seed_gives_the_same_instants_and_another_seed_others() -> None:
    assert first(POISSON, 100, seed=1) == first(POISSON, 100, seed=1)
    assert first(POISSON, 100, seed=1) != first(POISSON, 100, seed=2)


@given(st.integers(1, 9), st.sampled_from([POISSON, UNIFORM]), st.integers(0, 2**32))
@settings(max_examples=20)
def test_the_shares_of_several_processes_are_exactly_the_schedule_of_one(
    processes: int, load: OpenLoad, seed: int
) -> None:
    until = 2 * AT_A_TIME / load.rate
    shares = [
        list(takewhile(lambda instant: instant < until, arrivals(load, seed, first=number, step=processes)))
        for number in range(processes)
    ]
    whole = list(takewhile(lambda instant: instant < until, arrivals(load, seed)))
    assert sorted(instant for share in shares for instant in share) == whole
    assert max(map(len, shares)) - min(map(len, shares)) <= 1

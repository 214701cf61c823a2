"""Percentiles are given from the sample size at which an interval for them exists, and not before."""

from __future__ import annotations

import numpy as np
import pytest
from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.model.percentiles import percentiles, smallest_sample
from loadlab.stats.quantiles import bucket_quantile


@every(("quantile", "fewest"), [(0.5, 6), (0.95, 59), (0.99, 299), (0.999, 2995)], ids=["p50", "p95", "p99", "p99.9"])
def test_the_smallest_samples_are_those_of_the_binomial_tails(quantile: float, fewest: int) -> None:
    assert smallest_sample(quantile) == fewest


@every(
    ("size", "given_percentiles"),
    [
        (0, ""),
        (5, ""),
        (6, "p50"),
        (58, "p50"),
        (59, "p50 p95"),
        (298, "p50 p95"),
        (299, "p50 p95 p99"),
    ],
)
def test_a_percentile_is_withheld_one_value_below_its_smallest_sample(size: int, given_percentiles: str) -> None:
    found = percentiles(np.arange(size, dtype=np.float64))
    names = [name for name in ("p50", "p95", "p99") if getattr(found, name) is not None]
    assert " ".join(names) == given_percentiles


@given(st.integers(299, 1000), st.integers(0, 99))
def test_percentiles_are_those_of_numpy(size: int, seed: int) -> None:
    sample = np.random.default_rng(seed).exponential(size=size)
    found = percentiles(sample)
    assert [found.p50, found.p95, found.p99] == pytest.approx(np.quantile(sample, [0.5, 0.95, 0.99]).tolist())


@every("share", [0.01, 0.5, 0.99, 1.0])
def test_a_quantile_lies_in_the_bucket_that_it_falls_into(share: float) -> None:
    assert 2.0 <= bucket_quantile([0, 0, 3, 0], [1.0, 2.0, 4.0], share) <= 4.0


def test_a_quantile_beyond_every_bound_is_the_last_bound() -> None:
    assert bucket_quantile([0, 0, 0, 5], [1.0, 2.0, 4.0], 0.5) == 4.0

"""Quantiles of Student's t."""

from __future__ import annotations

import pytest
import scipy  # whose statistics are only loaded where they are used
from every import every

from loadlab.stats.student import upper


@every("freedom", [4, 6.5, 10, 22, 400])
@every("tail", [0.05, 0.025, 0.05 / 20])
def test_quantiles_of_t_are_those_of_scipy_within_half_a_percent(tail: float, freedom: float) -> None:
    assert upper(tail, freedom) == pytest.approx(float(scipy.stats.t.isf(tail, freedom)), rel=0.005)

"""Openings summed up: parts that add up, of the middle half."""

from __future__ import annotations

import pytest

from loadlab.model.opens import FEWEST, Opening, summed_up


def opening(total: float) -> Opening:
    return Opening(total=total, client_cpu=total / 4, setup=total / 2, fork=total / 8, authentication=total / 4)


def test_the_parts_are_means_of_the_middle_half_and_add_up() -> None:
    times = summed_up("scram_key", [opening(total) for total in (9.0, 1.0, 2.0, 100.0, 3.0, 4.0, 5.0, 0.1)])
    assert times is not None
    assert (times.strategy, times.opens, times.total) == ("scram_key", 4, 3.5)  # 2, 3, 4 and 5
    assert times.fork + times.authentication + times.server + times.outside == pytest.approx(times.total)
    assert (times.fork, times.authentication, times.server, times.outside) == (0.4375, 0.875, 0.4375, 1.75)
    assert times.client_cpu == 0.875


def test_too_few_openings_tell_nothing() -> None:
    assert summed_up("", [opening(1.0)] * (FEWEST - 1)) is None

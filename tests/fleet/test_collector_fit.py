"""What requests add to what Python's garbage collector counts follows from what it had counted at each use."""

from __future__ import annotations

import numpy as np
import pytest

from loadlab.fleet.collector_fit import collector_of
from loadlab.instrumentation.uses_file import Use

BUSY, LEFT, FIRST, SEARCHES = 0.2, 0.05, 0.3, 7
REQUESTS = 200


def counted(seed: int) -> list[Use]:
    """The uses of one process whose collector counts by the rule of CPython: from 0 on, and never below."""
    random = np.random.default_rng(seed)
    began = np.cumsum(random.exponential(1.0, REQUESTS))
    ended = began + random.exponential(0.7, REQUESTS)
    begins, ends = [(at, True, number) for number, at in enumerate(began)], [(at, False, -1) for at in ended]
    young, searches, uses = FIRST, SEARCHES, []
    for at, begins_now, number in sorted([*begins, *ends]):
        young = young + BUSY if begins_now else max(0.0, young - BUSY + LEFT)
        if young > 1:
            young, searches = 0.0, (searches + 1) % 12
        if begins_now:
            uses.append(Use(at, float(ended[number]), seed, number, young=young, searches=searches))
    return uses


def test_what_requests_add_and_leave_behind_is_found() -> None:
    found = collector_of(sorted([*counted(1), *counted(2)]))
    assert found is not None
    assert found.busy == pytest.approx(BUSY, rel=0.1)
    assert found.left == pytest.approx(LEFT, rel=0.1)
    assert found.first == pytest.approx(FIRST, abs=0.02)
    assert found.searches == SEARCHES


def test_few_requests_or_a_collector_that_is_off_tell_nothing() -> None:
    assert collector_of(counted(1)[:10]) is None
    assert collector_of([use._replace(young=None, searches=None) for use in counted(1)]) is None
    assert collector_of([]) is None

"""Connections of threads that ended are collected together, and after the measured lags."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from every import every

from loadlab.fleet.engine.garbage import Garbage, Searches
from loadlab.model.fleet import NEVER

UNIFORM = tuple(range(10))
MIXED = (*UNIFORM * 8, *range(16, 120, 8), NEVER)


def collected(lags: tuple[int, ...], processes: int = 200, requests: int = 400) -> Counter[int]:
    """How many requests later each connection of a request is collected; NEVER of those that are not."""
    searches, random = Searches(tuple(sorted(lags))), np.random.default_rng(1)
    uniforms = iter(random.random(processes * (requests + 2)).tolist())
    seen: Counter[int] = Counter()
    for _ in range(processes):
        garbage, waiting = Garbage(searches, uniforms), {}
        for request in range(1, requests + 1):
            for connection in garbage.found(request):
                seen[request - 1 - waiting.pop(connection)] += 1
            waiting[request] = request
            garbage.leave(request, request)  # type: ignore[arg-type]  any object stands for a connection
        seen[NEVER] += sum(request < requests - 150 for request in waiting.values())
    return seen


@every("lags", [UNIFORM, MIXED, (0, 0, 0, 1, 1, 2)])
def test_connections_are_collected_after_the_measured_lags(lags: tuple[int, ...]) -> None:
    seen = collected(lags)
    found = np.array([lag for lag in seen.elements() if lag < NEVER])
    known = np.array([lag for lag in lags if lag < NEVER])

    assert found.mean() == pytest.approx(known.mean(), rel=0.15)
    assert np.mean(found > 15) == pytest.approx(np.mean(known > 15), abs=0.03)
    assert seen[NEVER] / seen.total() == pytest.approx(lags.count(NEVER) / len(lags), abs=0.01)


def test_a_search_takes_all_that_waits_for_it() -> None:
    searches = Searches(UNIFORM)
    garbage = Garbage(searches, iter([0.5] * 1000))
    taken = []
    for request in range(1, 101):
        taken.append(len(list(garbage.found(request))))
        garbage.leave(request, request)  # type: ignore[arg-type]

    assert sorted(set(taken)) == [0, 4, 10]
    assert taken.count(10) == 9


@every("after", [0, 1, 7])
def test_what_closes_after_a_fixed_number_is_not_searched(after: int) -> None:
    assert set(collected((after,), processes=1)) - {NEVER} == {max(after - 1, 0)}

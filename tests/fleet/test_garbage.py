"""How long garbage waits, estimated from trials of which the end is not seen."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import pytest

from loadlab.fleet.garbage import SEARCHES, lags
from loadlab.model.fleet import NEVER

YOUNGEST: Final = 6  # requests between two searches of the youngest generation


def generations(requests: int) -> Counter[tuple[int, bool]]:
    """What a collector does that searches as CPython's: the request that runs during a search keeps its connection."""
    counted: Counter[tuple[int, bool]] = Counter()
    young: list[int] = []
    old: list[int] = []
    never: list[int] = []
    for request in range(requests):
        young.append(request)
        if (request + 1) % YOUNGEST:
            continue
        *dead, running = young
        young = []
        if (request + 1) // YOUNGEST % SEARCHES:
            old.append(running)
        else:
            dead, old = dead + old, []
            never.append(running)
        counted.update((request - each, True) for each in dead)
    counted.update((requests - 1 - each, False) for each in (*young, *old, *never))
    return counted


def open_at_the_end(found: tuple[int, ...], requests: int) -> float:
    """How many connections wait after so many requests, as the fleet model reckons."""
    return float(np.mean(np.minimum(found, requests)))


@pytest.mark.parametrize("seen", [60, 250, 2_000])
def test_a_trial_of_any_length_says_what_a_long_one_leaves_open(seen: int) -> None:
    later = 3_000
    waiting = sum(count for (_, collected), count in generations(later).items() if not collected)
    assert open_at_the_end(lags(generations(seen), 1_001), later) == pytest.approx(waiting, rel=0.15)


def test_connections_that_survive_two_searches_are_left_to_the_end() -> None:
    found = lags(generations(2_000), 1_001)
    assert found.count(NEVER) / len(found) == pytest.approx(1 / (SEARCHES * YOUNGEST), rel=0.1)
    assert list(found) == sorted(found)


def test_without_a_collection_nothing_is_known() -> None:
    assert lags(Counter({(5, False): 3}), 101) == ()

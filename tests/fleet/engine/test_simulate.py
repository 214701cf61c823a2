"""Which engine simulates what, and what holds of each."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from every import every
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.fleet.engine.simulate import engine_for, simulate
from loadlab.model.fleet import Collector, Conditions, DatabaseLimits, Dispatch, ProcessPool, Spread

if TYPE_CHECKING:
    from loadlab.model.fleet import Simulated

MANY = 3_000_000
COUNTED = Spread(collected_after=(3, 7), collector=Collector(busy=0.2, left=0.1))
POOL = ProcessPool(smallest=1, largest=4, timeout=5.0)


def choice(keeping: dict[str, Any], scene: dict[str, Any], spread: Spread, requests: int = MANY) -> tuple[str, Any]:
    found = engine_for(
        a_keeping(processes=2, threads=8, **keeping),
        an_application(spread=spread),
        a_scene(rate=requests / 3600, seconds=3600, hosts=100, **scene),
    )
    return found.name, found.hosts


@every(
    ("keeping", "scene", "spread", "expected"),
    [
        ({"max_age": 60.0}, {}, Spread(), ("by_opening", None)),
        ({"max_age": 0.0}, {}, Spread(lazy_threads=True), ("by_opening", None)),
        ({"max_age": 60.0}, {}, Spread(lazy_threads=True), ("by_opening", 13)),
        ({"max_age": 60.0}, {}, Spread(threads=Dispatch(recent=1.0, random=0.0)), ("by_opening", 13)),
        ({"max_age": 60.0}, {"conditions": Conditions(idle_seconds=60)}, Spread(), ("by_opening", 13)),
        ({"max_age": 60.0, "keeper": "request"}, {}, Spread(collected_after=(7,)), ("by_opening", 13)),
        ({"max_age": 60.0, "keeper": "request"}, {}, COUNTED, ("by_request", 13)),
        ({"max_age": 0.0, "pool": POOL, "keeper": "pool"}, {}, Spread(), ("by_request", 13)),
        ({"max_age": 60.0}, {"arrivals": np.arange(5.0)}, Spread(), ("by_request", None)),
    ],
)
def test_the_engine_follows_from_what_is_simulated(
    keeping: dict[str, Any], scene: dict[str, Any], spread: Spread, expected: tuple[str, int | None]
) -> None:
    assert choice(keeping, scene, spread) == expected


def test_small_fleets_are_always_exact() -> None:
    assert choice({"max_age": 60.0}, {}, Spread(), requests=200_000) == ("by_request", None)


def test_a_sample_is_simulated_where_requests_wait() -> None:
    busy = engine_for(
        a_keeping(threads=2, max_age=60.0), an_application(hold=0.1), a_scene(rate=1000, seconds=3600, hosts=100)
    )

    assert (busy.name, busy.hosts, busy.because) == ("by_opening", 11, "requests wait for a thread")


def test_requests_that_wait_in_a_long_queue_are_simulated_exactly() -> None:
    overloaded = engine_for(
        a_keeping(threads=2, max_age=60.0), an_application(hold=0.19), a_scene(rate=1000, seconds=3600, hosts=100)
    )

    assert (overloaded.name, overloaded.hosts) == ("by_request", 11)
    assert overloaded.because == "many requests wait for a thread at once"


def full(max_age: float | None, free: int, seconds: float = 260.0) -> Simulated:
    return simulate(
        a_keeping(processes=2, threads=8, max_age=max_age),
        an_application(hold=0.05),
        a_scene(rate=800, seconds=seconds, hosts=100, database=DatabaseLimits(max_connections=free, reserved=0)),
        np.arange(int(seconds) + 1.0),
        np.random.default_rng(14),
    )


@pytest.mark.parametrize("max_age", [0.0, 30.0, None])
@pytest.mark.parametrize("free", [20, 1000])
def test_a_large_fleet_opens_no_more_than_postgresql_allows(max_age: float | None, free: int) -> None:
    simulated = full(max_age, free)
    wanted = 44 if max_age == 0 else 1600

    assert simulated.open.max() <= free
    assert (simulated.refused > 0) == (free < wanted)
    assert (simulated.opened == simulated.closed + simulated.open).all()
    assert (np.diff(simulated.opened) >= 0).all()
    assert (np.diff(simulated.closed) >= 0).all()


@pytest.mark.parametrize("max_age", [0.0, 5.0])
def test_memory_does_not_grow_with_the_requests(max_age: float) -> None:
    def peak(rate: float) -> int:
        tracemalloc.start()
        try:
            simulate(
                a_keeping(processes=4, threads=8, max_age=max_age),
                an_application(hold=0.001),
                a_scene(rate=rate, seconds=2000, hosts=20),
                np.arange(2001.0),
                np.random.default_rng(14),
            )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(30_000) < 1.5 * peak(1_500)

"""When connections of Django's pool open and close, request by request."""

from __future__ import annotations

from typing import Any

import numpy as np
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.fleet.engine.by_request import simulate
from loadlab.model.fleet import DatabaseLimits, Outage, Simulated
from loadlab.model.pooling import ProcessPool


def simulated(
    *arrivals: float, hold: float = 1.0, health_checks: bool = False, scene: dict[str, Any] | None = None, **given: Any
) -> Simulated:
    """Requests at these instants, on connections that take 0.1 s to open; samples every 0.05 s."""
    sizes: dict[str, Any] = {"smallest": 1, "largest": 4, "timeout": 30.0}
    return simulate(
        a_keeping(keeper="pool", threads=8, pool=ProcessPool(**sizes | given), health_checks=health_checks),
        an_application(hold=hold, connect=0.1),
        a_scene(seconds=60.0, arrivals=np.array(arrivals), **scene or {}),
        np.arange(0.025, 60.0, 0.05),
        np.random.default_rng(0),
    )


def test_the_first_request_opens_the_smallest_pool() -> None:
    seen = simulated(1.0, smallest=3, hold=0.01)

    assert seen.opened[[0, 19, 21, -1]].tolist() == [0, 0, 4, 4]  # and the request that waits makes it grow


def test_a_server_that_queries_at_boot_opens_its_pool_then() -> None:
    pool = ProcessPool(smallest=1, largest=4, timeout=30.0)
    seen = simulate(
        a_keeping(keeper="pool", pool=pool, connects_at_boot=True),
        an_application(hold=0.1, connect=0.1),
        a_scene(seconds=10.0, arrivals=np.array([1.0, 2.0, 3.0])),
        np.arange(0.0, 10.0),
        np.random.default_rng(0),
    )

    assert seen.open.tolist() == [2] * 10
    assert (seen.opened[0], seen.opened[-1], seen.waited) == (2, 2, 0)


def test_a_pool_grows_by_one_at_a_time_while_requests_wait() -> None:
    seen = simulated(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    assert seen.opened[[0, 1, 2, 3, 4, -1]].tolist() == [2, 2, 3, 3, 4, 4]
    assert seen.waited == 6


def test_a_pool_shrinks_by_one_at_a_time() -> None:
    seen = simulated(0.0, 0.0, 0.0, 0.0, max_idle=10.0)

    assert seen.open[[100, 300, 500, 700, 1100]].tolist() == [4, 3, 2, 1, 1]


def test_each_connection_in_turn_is_lent() -> None:
    seen = simulated(0.0, 0.0, 5.0, 6.5, 8.0, 9.5, max_lifetime=1.0)

    assert seen.closed_by["pool"] == 6  # each is too old when it is given back, and replaced
    assert seen.opened[-1] == 8


def test_requests_that_wait_too_long_fail() -> None:
    seen = simulated(0.0, 0.0, 0.0, largest=1, timeout=1.5)

    assert (seen.failed, seen.reused) == (1, 1)


def test_each_lost_connection_fails_one_request() -> None:
    outage = {"outages": (Outage(start=10.0, end=11.0, first=0, last=1),)}
    seen = simulated(0.0, 0.0, 20.0, 22.0, 24.0, 26.0, scene=outage)

    assert (seen.failed, seen.open[-1]) == (2, 2)


def test_health_checks_of_a_pool_spare_the_failures() -> None:
    outage = {"outages": (Outage(start=10.0, end=11.0, first=0, last=1),)}
    seen = simulated(0.0, 0.0, 20.0, 22.0, 24.0, scene=outage, health_checks=True)

    assert (seen.failed, seen.open[-1]) == (0, 2)


def test_a_pool_tries_again_where_postgresql_is_full() -> None:
    seen = simulated(0.0, 1.0, smallest=3, scene={"database": DatabaseLimits(max_connections=5, reserved=3)})

    assert (seen.refused, seen.failed) == (0, 0)
    assert seen.open.max() == 2

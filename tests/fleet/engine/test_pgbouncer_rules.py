"""When PgBouncer's connections to PostgreSQL open and close, request by request."""

from __future__ import annotations

from typing import Any

import numpy as np
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.fleet.engine.by_request import simulate
from loadlab.model.fleet import DatabaseLimits, Outage, Pooler, Simulated


def simulated(
    *arrivals: float,
    hold: float = 1.0,
    max_age: float | None = 0.0,
    scene: dict[str, Any] | None = None,
    **given: Any,
) -> Simulated:
    """Requests at these instants, on connections that take 0.1 s to open; samples every 0.1 s."""
    settings: dict[str, Any] = {"pool_mode": "transaction", "size": 5, "most_clients": 100, "wait": 10.0}
    return simulate(
        a_keeping(threads=8, max_age=max_age, pooler=Pooler(**settings | given)),
        an_application(hold=hold, connect=0.1),
        a_scene(seconds=60.0, arrivals=np.array(arrivals), **scene or {}),
        np.arange(0.05, 60.0, 0.1),
        np.random.default_rng(0),
    )


def test_pgbouncer_opens_one_connection_at_a_time() -> None:
    seen = simulated(0.0, 0.0, 0.0)

    assert seen.opened[[0, 1, 2, 3, -1]].tolist() == [0, 1, 2, 3, 3]
    assert (seen.client_opened, seen.waited) == (3, 3)


def test_pgbouncer_takes_the_connection_that_was_last_in_use() -> None:
    seen = simulated(0.0, 0.0, *range(5, 30), hold=0.3, idle=8.0)

    assert seen.opened[-1] == 2
    assert seen.open[[80, 120]].tolist() == [2, 1]
    assert seen.closed_by == {"pooler": 2}


def test_more_clients_than_server_connections_wait() -> None:
    seen = simulated(0.0, 0.0, 0.0, 0.0, size=2)

    assert (seen.opened[-1], seen.failed) == (2, 0)
    np.testing.assert_allclose(seen.waiting_seconds, 0.1 + 0.2 + 1.1 + 1.2)


def test_clients_that_wait_too_long_fail_at_the_next_look() -> None:
    seen = simulated(0.0, 0.0, size=1, hold=5.0, wait=1.0)

    assert (seen.failed, seen.opened[-1]) == (1, 1)
    np.testing.assert_allclose(seen.waiting_seconds, 0.1 + 4 / 3 - 0.1)


def test_kept_clients_of_a_session_pool_starve_others() -> None:
    arguments = {"max_age": None, "size": 2, "hold": 0.1}
    shared = simulated(0.0, 0.0, 0.0, 5.0, 5.0, 5.0, **arguments)
    apart = simulated(0.0, 0.0, 0.0, 5.0, 5.0, 5.0, pool_mode="session", **arguments)

    assert shared.failed == 0
    assert apart.failed > 0


def test_clients_beyond_the_most_are_refused() -> None:
    assert simulated(0.0, 0.0, 0.0, most_clients=2).refused == 1


def test_pgbouncer_ends_connections_of_age_one_after_the_other() -> None:
    seen = simulated(*np.arange(0.0, 50.0, 0.5), hold=0.6, size=2, lifetime=20.0)
    closed = np.flatnonzero(np.diff(seen.closed)) / 10

    assert np.diff(closed).min() >= 9.9  # lifetime / size


def test_a_restart_of_postgresql_fails_requests_until_pgbouncer_tries_again() -> None:
    outage = {"outages": (Outage(start=10.0, end=11.0, first=0, last=1),)}
    during = simulated(0.0, 10.5, 12.0, 20.0, 27.0, 28.0, hold=0.1, scene=outage)
    after = simulated(0.0, 12.0, 20.0, 27.0, 28.0, hold=0.1, scene=outage)

    assert after.failed == 0
    assert during.failed == 4  # a login that failed is tried again after 15 s, when a client asks, who fails as well
    assert during.opened[-1] == 2


def test_a_full_postgresql_refuses_clients_only_without_server_connections() -> None:
    full = {"database": DatabaseLimits(max_connections=4, reserved=3)}
    assert simulated(0.0, 0.0, scene=full).refused == 0
    none_left = {"database": DatabaseLimits(max_connections=3, reserved=3)}
    assert simulated(0.0, scene=none_left).refused == 1

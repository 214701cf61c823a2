"""When Django's connections open and close, request by request."""

from __future__ import annotations

from typing import Any

import numpy as np
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.fleet.engine.by_request import simulate
from loadlab.model.fleet import Conditions, Dispatch, Outage, ProcessesEnd, Simulated, Spread

ONE_AFTER_THE_OTHER = Spread(threads=Dispatch(longest_idle=1.0, random=0.0))


def simulated(
    *arrivals: float, spread: Spread | None = None, scene: dict[str, Any] | None = None, **given: Any
) -> Simulated:
    """Requests at these instants, each 0.1 s long, on connections that open at once; samples every second."""
    return simulate(
        a_keeping(**given),
        an_application(hold=0.1, connect=0.0, spread=spread),
        a_scene(seconds=60.0, arrivals=np.array(arrivals), **scene or {}),
        np.arange(0.5, 60.5),
        np.random.default_rng(0),
    )


def test_an_idle_thread_keeps_a_connection_beyond_its_age() -> None:
    seen = simulated(0.0, 10.0, max_age=2.0)

    assert seen.open.min() == 1
    assert seen.ages.tolist() == [10.0]
    assert seen.closed_by == {"expired": 1}
    assert (seen.opened[-1], seen.reused) == (2, 0)


def test_a_connection_that_expires_under_a_request_closes_at_its_end() -> None:
    seen = simulated(0.0, 1.0, 1.95, max_age=2.0)

    assert seen.reused == 2
    np.testing.assert_allclose(seen.ages, [2.05])
    assert seen.open[2] == 0


def test_a_server_that_tells_no_end_keeps_connections_of_age_0() -> None:
    seen = simulated(0.0, 10.0, max_age=0.0, checks_at_end=False)

    assert seen.open.min() == 1
    assert (seen.opened[-1], seen.reused) == (2, 0)


def test_each_thread_opens_its_own_connection() -> None:
    seen = simulated(*range(20), threads=4, max_age=None, spread=ONE_AFTER_THE_OTHER)

    assert (seen.opened[-1], seen.reused) == (4, 16)


def test_lazy_threads_start_when_none_is_idle() -> None:
    spread = Spread(threads=Dispatch(longest_idle=1.0, random=0.0), lazy_threads=True)
    seen = simulated(*range(5), 5.05, 5.1, threads=4, max_age=None, spread=spread)

    assert seen.opened[[3, 8]].tolist() == [1, 2]


def test_requests_of_a_cold_process_wait_in_their_threads() -> None:
    spread = Spread(lazy_threads=True, cold_seconds=0.5)
    cold = simulated(0.0, 0.2, 0.4, 10.0, 10.2, 10.4, threads=4, max_age=None, spread=spread)

    assert (cold.opened[-1], cold.reused) == (3, 3)


def test_a_thread_is_busy_before_its_request_connects() -> None:
    at_once = simulated(0.0, 0.15, threads=4, max_age=None, spread=Spread(lazy_threads=True))
    later = simulated(0.0, 0.15, threads=4, max_age=None, spread=Spread(lazy_threads=True, ahead_seconds=0.2))

    assert (at_once.opened[-1], later.opened[-1]) == (1, 2)


def test_a_lost_connection_fails_one_request() -> None:
    outage = {"outages": (Outage(start=5.0, end=6.0, first=0, last=1),)}
    seen = simulated(1.0, 2.0, 10.0, 11.0, 12.0, max_age=None, scene=outage)

    assert (seen.failed, seen.reused, seen.opened[-1]) == (1, 2, 2)
    assert seen.open[6] == 0


def test_a_lost_connection_that_is_too_old_fails_none() -> None:
    outage = {"outages": (Outage(start=5.0, end=6.0, first=0, last=1),)}
    seen = simulated(1.0, 2.0, 10.0, 11.0, max_age=3.0, scene=outage)

    assert (seen.failed, seen.opened[-1]) == (0, 2)


def test_health_checks_spare_the_failure() -> None:
    outage = {"outages": (Outage(start=5.0, end=6.0, first=0, last=1),)}
    seen = simulated(1.0, 2.0, 5.5, 10.0, 11.0, max_age=None, health_checks=True, scene=outage)

    assert (seen.failed, seen.opened[-1]) == (1, 2)  # the one during the outage


def test_a_connection_idle_for_too_long_is_lost() -> None:
    seen = simulated(0.0, 2.0, 8.0, 9.0, max_age=None, scene={"conditions": Conditions(idle_seconds=5.0)})

    assert (seen.failed, seen.reused) == (1, 1)
    np.testing.assert_allclose(seen.ages[0], 7.1)


def test_a_thread_that_ends_with_its_request_leaves_its_connection() -> None:
    seen = simulated(*range(10), keeper="request", threads=None, max_age=None, spread=Spread(collected_after=(3,)))

    assert seen.open[[0, 1, 2, 3, 9]].tolist() == [1, 2, 3, 3, 3]
    assert seen.closed_by == {"garbage_collected": 7}


def test_all_but_one_idle_thread_end_and_leave_their_connections() -> None:
    spread = Spread(threads=Dispatch(longest_idle=1.0, random=0.0), lazy_threads=True, collected_after=(2,))
    seen = simulated(0.0, 0.0, 0.0, 10.0, 11.0, 12.0, threads=4, max_age=None, idle_thread_seconds=5.0, spread=spread)

    assert seen.open[[8, 10, 11]].tolist() == [3, 3, 1]
    assert (seen.opened[-1], seen.reused) == (3, 3)


def test_a_worker_that_is_replaced_takes_its_connections_with_it() -> None:
    seen = simulated(*range(8), max_age=None, max_requests=4)

    assert (seen.opened[-1], seen.reused) == (2, 6)
    assert seen.closed_by == {"process_end": 2}


def test_connections_of_old_processes_last_until_they_are_gone() -> None:
    end = ProcessesEnd(at=5.0, first=0, last=1, serving_again=5.0, gone=8.0)
    seen = simulated(1.0, 6.0, 7.0, max_age=None, scene={"ends": (end,)})

    assert seen.open[[4, 6, 9]].tolist() == [1, 2, 1]
    assert seen.reused == 1


def test_requests_under_way_end_before_their_process() -> None:
    end = ProcessesEnd(at=5.0, first=0, last=1, serving_again=7.0, gone=5.0)
    seen = simulated(4.95, 4.96, 6.0, max_age=None, scene={"ends": (end,)})

    assert (seen.failed, seen.reused, seen.waited) == (1, 1, 1)  # no host serves at 6.0
    np.testing.assert_allclose(seen.ages, [0.2])

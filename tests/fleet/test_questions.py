"""The largest fleet, the smallest age and the break-even, where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from every import every
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.analysis.closed_forms import reuse
from loadlab.fleet.engine.simulate import simulate
from loadlab.fleet.limits import most_per_host, overlap
from loadlab.fleet.outcome import limited, outcome
from loadlab.fleet.questions import break_even, largest_fleet, smallest_age
from loadlab.fleet.repeating import generator
from loadlab.fleet.scaling import excerpt, scaled
from loadlab.model.fleet import Application, DatabaseLimits, Keeping, Pooler, ProcessesEnd, Rates, Scene
from loadlab.model.fleet_outcome import LargestFleet
from loadlab.model.pooling import ProcessPool

HOUR = a_scene(rate=4.0, seconds=3600.0)
FOUR = a_keeping(processes=2, threads=2, max_age=60.0)
COSTLY = replace(
    an_application(), app_cpu_per_connect=0.001, database_cpu_per_connect=0.003, idle_backend_bytes=4 * 2.0**20
)


def largest(keeping: Keeping, scene: Scene, application: Application | None = None) -> LargestFleet:
    known = application or an_application()
    return largest_fleet(outcome(keeping, known, scene, 3, 1), known, scene, 1)


def test_the_smallest_age_has_95_percent_of_unlimited_reuse() -> None:
    found = smallest_age(FOUR, an_application(), HOUR, 1)
    assert found is not None
    assert found.seconds is not None
    assert found.reuse >= 0.95 * found.unlimited
    # One request per second and thread: 19 s give 95 % (closed form), and unlimited has nearly all.
    assert found.seconds == pytest.approx(19, rel=0.1)
    assert found.reuse == pytest.approx(reuse(1.0, found.seconds), abs=0.01)


def test_a_busy_host_is_asked_over_a_stretch_of_its_day() -> None:
    day = replace(HOUR, rates=Rates(edges=np.array([0.0, 3e4, 6e4, 9e4]), per_second=np.array([4.0, 80.0, 36.0])))
    part = excerpt(day, 600.0)
    assert part.rates.seconds == 600
    assert part.rates.per_second.tolist() == [36.0]  # 40/s in the mean of the day
    found = smallest_age(FOUR, an_application(), day, 1)
    assert found is not None
    assert found.seconds == pytest.approx(19 / 9, rel=0.15)


def test_no_age_is_asked_for_where_no_thread_serves_again() -> None:
    assert smallest_age(a_keeping(keeper="request", threads=None), an_application(), HOUR, 1) is None


@every(("age", "rate"), [(None, 0.2441), (60.0, 0.2598), (600.0, 0.2458)])
def test_a_kept_connection_pays_from_a_rate_on(age: float | None, rate: float) -> None:
    """4 MiB are a thousandth of a core; an opening takes 4 ms at both ends."""
    found = break_even(COSTLY, [age])
    assert found is not None
    assert found.by_age == ((age, pytest.approx(rate, rel=0.01)),)
    cost = 4 * 2.0**20 / found.bytes_per_core
    at = found.by_age[0][1]
    assert at * (1.0 if age is None else reuse(at, age)) * 0.004 == pytest.approx(cost)


def test_without_measured_costs_there_is_no_break_even() -> None:
    assert break_even(an_application(), [60.0]) is None
    assert break_even(replace(COSTLY, idle_backend_bytes=None), [60.0]) is None
    assert break_even(replace(COSTLY, app_cpu_per_connect=0.0, database_cpu_per_connect=0.0), [60.0]) is None


def test_a_hosts_pooler_serves_old_and_new_processes() -> None:
    end = ProcessesEnd(at=15.0, first=0, last=1, serving_again=15.0, gone=25.0)
    pooler = Pooler(pool_mode="session", size=2, most_clients=1000, wait=5.0)
    scene = a_scene(rate=40.0, seconds=30.0, database=DatabaseLimits(max_connections=13, reserved=3), ends=(end,))
    assert largest(a_keeping(threads=4, max_age=None, pooler=pooler), scene).bound == 5


def test_where_all_threads_hold_one_the_bound_decides() -> None:
    scene = replace(HOUR, database=DatabaseLimits(max_connections=100, reserved=3))
    assert largest(FOUR, scene) == LargestFleet(hosts=24, way="bound", bound=24)


def test_old_processes_beside_new_ones_halve_the_fleet() -> None:
    end = ProcessesEnd(at=1800.0, first=0, last=1, serving_again=1800.0, gone=1860.0)
    scene = replace(HOUR, database=DatabaseLimits(max_connections=100, reserved=3), ends=(end,))
    assert overlap(scene) == 2
    assert largest(FOUR, scene).hosts == 12


def test_a_rolling_deployment_needs_no_second_fleet() -> None:
    ends = tuple(
        ProcessesEnd(at=100.0 * host, first=host, last=host + 1, serving_again=100.0 * host + 5, gone=100.0 * host)
        for host in range(1, 5)
    )
    assert overlap(replace(HOUR, hosts=5, ends=ends)) == 1


def test_closing_at_each_request_fits_more_hosts_than_threads() -> None:
    scene = replace(a_scene(rate=40.0, seconds=20.0), database=DatabaseLimits(max_connections=20, reserved=3))
    found = largest(a_keeping(processes=2, threads=2, max_age=0.0), scene)
    assert found.bound == 4
    assert found.way == "simulation"
    # 0.6 connections of a host are open in the mean; the most of many is more than that.
    assert 5 < (found.hosts or 0) < 17 / 0.6
    more = scaled(scene, (found.hosts or 0) * 3)
    assert not outcome(a_keeping(processes=2, threads=2, max_age=0.0), an_application(), more, 2, 1).fits


def test_a_shared_pooler_within_the_limit_fits_any_fleet() -> None:
    pooler = Pooler(pool_mode="transaction", size=20, most_clients=1000, wait=5.0, shared=True)
    scene = a_scene(seconds=30.0, database=DatabaseLimits(max_connections=30, reserved=3))
    assert largest(a_keeping(threads=4, pooler=pooler), scene).hosts is None


def test_a_shared_pooler_beyond_the_limit_does_not_unfit_what_fits() -> None:
    pooler = Pooler(pool_mode="transaction", size=28, most_clients=1000, wait=5.0, shared=True)
    scene = a_scene(seconds=30.0, database=DatabaseLimits(max_connections=30, reserved=3))
    assert (largest(a_keeping(threads=4, pooler=pooler), scene).hosts or 0) >= scene.hosts


def test_no_host_fits_whose_pooler_refuses_its_clients() -> None:
    pooler = Pooler(pool_mode="transaction", size=1, most_clients=1, wait=5.0)
    found = outcome(a_keeping(threads=4, pooler=pooler), an_application(), a_scene(rate=200.0, seconds=20.0), 2, 1)
    assert found.refused_by_pooler
    assert found.needed == 1
    assert largest(found.keeping, a_scene(rate=200.0, seconds=20.0)).hosts == 0


def test_with_hardly_any_request_the_search_for_more_hosts_ends() -> None:
    scene = replace(a_scene(rate=1e-6, seconds=10.0), database=DatabaseLimits(max_connections=100, reserved=3))
    assert (largest(FOUR, scene).hosts or 0) >= 24


def test_what_was_needed_is_enough() -> None:
    scene = replace(a_scene(rate=200.0, seconds=30.0), database=DatabaseLimits(max_connections=4, reserved=2))
    zero = a_keeping(processes=2, threads=4, max_age=0.0)
    found = outcome(zero, an_application(), scene, 2, 1)
    assert not found.fits
    enough = limited(scene, found.needed)
    assert enough.database.free > 2
    assert not simulate(zero, an_application(), enough, np.array([0.0, 30.0]), generator(1, 0)).refused


@every(
    ("given", "most"),
    [
        ({"threads": 4, "processes": 3}, 12),
        ({"threads": None}, None),
        ({"keeper": "request", "threads": 4, "max_age": 60.0}, None),
        ({"keeper": "request", "threads": 4, "max_age": 0.0}, 4),
        ({"pool": ProcessPool(smallest=1, largest=3, timeout=5.0), "keeper": "pool", "processes": 2}, 6),
    ],
)
def test_what_bounds_the_connections_of_a_host(given: dict[str, object], most: int | None) -> None:
    assert most_per_host(a_keeping(**given)) == most


def test_a_larger_fleet_has_as_much_traffic_per_host() -> None:
    end = ProcessesEnd(at=10.0, first=1, last=2, serving_again=20.0, gone=10.0)
    scene = replace(HOUR, hosts=2, ends=(end,))
    twice, half = scaled(scene, 4), scaled(scene, 1)
    assert np.all(twice.rates.per_second == 2 * scene.rates.per_second)
    assert (twice.ends[0].first, twice.ends[0].last) == (2, 4)
    assert half.hosts == 1

"""A strategy's figures come from repeated simulations, each with its band."""

from __future__ import annotations

import numpy as np
import pytest
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.analysis.closed_forms import reuse
from loadlab.fleet.bands import band, over_time
from loadlab.fleet.outcome import instants, outcome
from loadlab.model.fleet import Application, DatabaseLimits, Distribution, Keeping, Outage, ProcessesEnd, Scene, Spread
from loadlab.model.fleet_outcome import Band, FleetOutcome, Moment

COSTS = {"app_cpu_per_connect": 0.001, "database_cpu_per_connect": 0.003, "idle_backend_bytes": 2e6}
MEASURED = Application(
    connect_seconds=Distribution(values=(0.005,)),
    hold_seconds=Distribution(values=(0.01,)),
    spreads={"gthread": Spread()},
    **COSTS,
)
FOUR = a_keeping(processes=2, threads=2, max_age=5.0)


def of(keeping: Keeping = FOUR, scene: Scene | None = None, repeats: int = 5, **given: object) -> FleetOutcome:
    return outcome(keeping, MEASURED, scene or a_scene(rate=20.0, seconds=300.0), repeats, 1, **given)  # type: ignore[arg-type]


def test_a_band_goes_from_the_lowest_to_the_highest() -> None:
    assert band([3.0, 1.0, 2.0]) == Band(middle=2.0, low=1.0, high=3.0)


def test_bands_touch_or_overlap_alike() -> None:
    one = Band(middle=2.0, low=1.0, high=3.0)
    assert one.overlaps(Band(middle=4.0, low=3.0, high=5.0))
    assert not one.overlaps(Band(middle=5.0, low=4.0, high=6.0))


def test_reuse_and_openings_are_as_theory_says() -> None:
    found = of()
    expected = reuse(20.0 / 4, 5.0)
    assert found.reuse.middle == pytest.approx(expected, abs=0.01)
    assert found.opens_per_request.middle == pytest.approx(1 - expected, abs=0.01)
    assert found.opens_per_second.middle == pytest.approx(20.0 * (1 - expected), rel=0.15)


def test_kept_connections_are_as_many_as_threads() -> None:
    found = of()
    assert (found.open_most.high, found.needed, found.spare) == (4, 4, 9997 - 4)
    assert found.fits


def test_the_same_seed_gives_the_same_figures() -> None:
    assert of() == of()


def test_cores_and_memory_are_figures_times_what_was_measured() -> None:
    found = of()
    assert found.database_cores is not None
    assert found.database_cores.middle == pytest.approx(found.opens_per_second.middle * 0.003)
    assert found.idle_bytes == Band(middle=8e6, low=8e6, high=8e6)


def test_what_was_not_measured_is_none() -> None:
    found = outcome(FOUR, an_application(), a_scene(), 2, 1)
    assert found.database_cores is found.app_cores is found.idle_bytes is None


def test_a_fleet_that_is_refused_does_not_fit_and_says_what_it_needs() -> None:
    found = of(scene=a_scene(rate=20.0, seconds=300.0, database=DatabaseLimits(max_connections=6, reserved=3)))
    assert not found.fits
    assert (found.free, found.needed, found.spare) == (3, 4, -1)
    assert found.refused.low > 0


def test_opens_after_a_restart_are_a_figure_of_its_own() -> None:
    scene = a_scene(rate=20.0, seconds=300.0, outages=(Outage(start=200.0, end=201.0, first=0, last=1),))
    restart = Moment(name="database_restart", start=200.0, end=201.0)
    found = of(a_keeping(processes=2, threads=2, max_age=None), scene, moments=(restart,))
    start, after = found.after
    assert (start.moment.name, after.moment) == ("start", restart)
    assert after.opens_per_second.middle >= 3
    assert found.opens_per_second.middle == pytest.approx(8 / 300)


def test_the_busiest_second_leaves_the_start_out() -> None:
    found = of(a_keeping(processes=2, threads=2, max_age=None))
    assert found.opens_peak.high == 0
    assert found.after[0].opens_per_second.low >= 2


def test_both_processes_of_an_overlap_count() -> None:
    end = ProcessesEnd(at=150.0, first=0, last=1, serving_again=150.0, gone=200.0)
    found = of(a_keeping(processes=2, threads=2, max_age=None), a_scene(rate=20.0, seconds=300.0, ends=(end,)))
    assert found.needed == 8


def test_a_series_has_at_most_300_instants_and_keeps_extremes() -> None:
    at = np.arange(1000.0)
    spike = np.where(at == 777, 50.0, 1.0)
    made = over_time(at, np.ones(1000), np.ones(1000), spike)
    assert len(made.at) <= 300
    assert max(made.high) == 50.0
    assert set(made.median) == {1.0}


@pytest.mark.parametrize("seconds", [5.0, 3600.0, 86_400.0, 30 * 86_400.0])
def test_samples_reach_the_end_and_are_bounded(seconds: float) -> None:
    at = instants(seconds)
    assert (at[0], at[-1]) == (0.0, seconds)
    assert len(at) <= 100_001


def test_busy_threads_are_a_caveat() -> None:
    found = of(a_keeping(processes=1, threads=1, max_age=0.0), a_scene(rate=60.0, seconds=60.0), repeats=2)
    assert found.busy_threads == pytest.approx(0.9, rel=0.01)
    assert [one.kind for one in found.caveats] == ["queues"]

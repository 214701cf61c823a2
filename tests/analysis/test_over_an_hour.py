"""What each age would do over an hour of a run's traffic follows from what its requests did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from every import every
from factories.trials import CLOSED, KEPT, case, replica, trial

from loadlab.analysis.over_an_hour import over_an_hour
from loadlab.model.condition import OpenLoad
from loadlab.model.fleet import NEVER, Distribution, Spread
from loadlab.model.uses import Uses

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.over_an_hour import AgeOverAnHour, OverAnHour
    from loadlab.model.samples import Trial

RATE = 500.0  # what both trials below have in their window of 2 s


def used(of: Case, **spread: object) -> Trial:
    made = trial(of, behaviour=replace(CLOSED, requests=1000, opened=1000) if of.max_age == 0 else KEPT)
    uses = Uses(
        spread=Spread(requests=1000, **spread),  # type: ignore[arg-type]
        hold_seconds=Distribution(values=(0.006,)),
        connect_seconds=Distribution(values=(0.002,)),
    )
    return replace(made, uses=uses)


def by_age(found: OverAnHour) -> dict[float | None, AgeOverAnHour]:
    return {one.max_age: one for one in found.ages}


def test_threads_that_share_alike_reuse_as_theory_says() -> None:
    (hour,) = over_an_hour([used(case("sync", 0)), used(case("sync", None))])
    assert hour.rate == RATE
    ages = by_age(hour)
    assert ages[0].opens_per_second == RATE
    assert ages[0].open == pytest.approx(RATE * 0.008)
    assert ages[60].opened == pytest.approx(2 * 3600 * 250 / (1 + 250 * 60))
    assert ages[None].opened == pytest.approx(2)
    assert ages[600].open == pytest.approx(2)


def test_the_rate_is_one_that_every_age_can_serve() -> None:
    slow = used(case("sync", 0))
    slow = replace(slow, window_end=slow.window_start + 2 * (slow.window_end - slow.window_start))
    (hour,) = over_an_hour([slow, used(case("sync", None))])
    assert hour.rate == RATE / 2


def test_a_thread_with_few_requests_opens_for_more_of_them() -> None:
    even = over_an_hour([used(case("sync", None))])
    uneven = over_an_hour([used(case("sync", None), by_thread=(0.9999, 0.0001))])
    assert by_age(uneven[0])[60].opened < by_age(even[0])[60].opened
    assert by_age(uneven[0])[60].opened == pytest.approx(60 + 180 * 0.25, rel=0.03)


def test_where_no_request_finds_a_connection_all_are_opened() -> None:
    (hour,) = over_an_hour([used(case("threaded", None, usable=8), collected_after=(40, 60))])
    ages = by_age(hour)
    assert ages[600].opens_per_second == RATE
    assert ages[600].reuse == 0
    assert ages[600].open == pytest.approx(RATE * 0.008 + 50)


def test_what_the_collector_leaves_adds_up_over_the_hour() -> None:
    """Half of the connections wait for 50 requests, and half for the end of their process."""
    (hour,) = over_an_hour([used(case("threaded", None, usable=8), collected_after=(50, NEVER))])
    assert by_age(hour)[600].open == pytest.approx(RATE * 0.008 + (50 + RATE * 3600) / 2)


def test_without_a_kept_connection_the_garbage_lag_is_not_known() -> None:
    (hour,) = over_an_hour([used(case("threaded", 0, usable=8))])
    assert by_age(hour)[600].open is None


@every("rate", [None, 20.0])
def test_only_an_open_load_has_a_rate_of_its_own(rate: float | None) -> None:
    load = OpenLoad(rate=rate, arrivals="poisson") if rate else None
    made = used(case("sync", 0, open_load=load))
    (hour,) = over_an_hour([made])
    assert hour.closed_loop is (rate is None)


def test_trials_without_recorded_uses_have_no_hour() -> None:
    assert over_an_hour([trial(case("sync", 0), behaviour=CLOSED)]) == ()
    assert over_an_hour([used(replica(case("sync", 0)))]) == ()

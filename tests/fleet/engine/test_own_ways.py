"""What a server or a strategy does in its own way, request by request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.fleet.engine.by_request import simulate
from loadlab.model.fleet import Conditions, Spread

if TYPE_CHECKING:
    from loadlab.model.fleet import Scene, Simulated

AT: Final = np.arange(0, 100, 0.05)


def simulated(scene: Scene | None = None, **keeping: Any) -> Simulated:
    kept = a_keeping(**keeping)
    return simulate(kept, an_application(), scene or a_scene(rate=5.0), AT, np.random.default_rng(7))


def test_without_a_check_at_the_end_age_0_holds_until_the_next_request() -> None:
    ran = simulated(max_age=0.0, checks_at_end=False)
    assert ran.client_opened == ran.requests > 400
    assert ran.reused == 0
    assert (ran.open[AT > 5] == 1).all()
    assert simulated(max_age=0.0).open[AT > 5].mean() < 0.2


def test_a_sweep_before_each_opening_leaves_what_is_under_way_and_one() -> None:
    swept = simulated(keeper="request", threads=None, max_age=None, spread=Spread(collected_after=(1,)))
    late = simulated(keeper="request", threads=None, max_age=None, spread=Spread(collected_after=(200,)))
    assert swept.client_opened == swept.requests > 400
    assert 1 <= swept.open[AT > 5].mean() < 1.5
    assert late.open[AT > 60].mean() > 150


def test_a_strategy_that_replaces_workers_goes_before_the_scene() -> None:
    scene = a_scene(rate=5.0, conditions=Conditions(max_requests=2, max_requests_jitter=3))
    ran = simulated(scene, max_age=None, max_requests=50)
    assert ran.closed_by["process_end"] == ran.requests // 50
    assert simulated(scene, max_age=None).closed_by["process_end"] > ran.requests // 6

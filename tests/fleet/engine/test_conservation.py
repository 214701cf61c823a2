"""Whatever a fleet is and meets: no connection and no request is lost from the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from factories.fleets import applications, keepings, scenes
from hypothesis import given
from hypothesis import strategies as st

from loadlab.fleet.engine.by_request import simulate
from loadlab.fleet.engine.simulation import Simulation

if TYPE_CHECKING:
    from loadlab.model.fleet import Application, Keeping, Scene

AT = np.arange(0, 90.5, 0.5)
seeds = st.integers(0, 2**32)


@given(keepings(), applications, scenes(), seeds)
def test_opened_is_closed_plus_open_at_every_instant(
    keeping: Keeping, application: Application, scene: Scene, seed: int
) -> None:
    simulation = Simulation(keeping, application, scene, np.random.default_rng(seed))
    simulated = simulation.run(AT)

    assert (simulated.opened == simulated.closed + simulated.open).all()
    assert (simulated.open >= 0).all()
    assert (simulated.open <= scene.database.free).all()
    assert simulated.open[-1] == simulation.database.open
    assert sum(simulated.closed_by.values()) == simulated.closed[-1]
    assert (np.diff(simulated.opened) >= 0).all()
    assert (np.diff(simulated.closed) >= 0).all()


@given(keepings(), applications, scenes(), seeds)
def test_each_request_is_reused_connected_refused_or_failed(
    keeping: Keeping, application: Application, scene: Scene, seed: int
) -> None:
    simulation = Simulation(keeping, application, scene, np.random.default_rng(seed))
    simulated = simulation.run(AT)
    connected = simulation.requests.connected

    taken = simulated.requests - simulation.requests.queued
    assert taken == simulated.reused + connected + simulated.refused + simulated.failed
    assert connected <= simulated.client_opened
    if keeping.pool is None and simulated.failed == 0:
        assert connected == simulated.client_opened


@given(keepings(), applications, scenes(), seeds)
def test_the_same_seed_gives_the_same_simulation(
    keeping: Keeping, application: Application, scene: Scene, seed: int
) -> None:
    one, other = (simulate(keeping, application, scene, AT, np.random.default_rng(seed)) for _ in range(2))

    assert (one.open == other.open).all()
    assert (one.ages == other.ages).all()
    assert one.waiting_seconds == other.waiting_seconds

"""A server that connects as it boots, as runserver does: each boot opens a connection that no request uses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from loadlab.fleet.engine.by_request import simulate
from loadlab.fleet.keeping import keeping
from loadlab.model.fleet import Application, DatabaseLimits, Distribution, ProcessesEnd, Rates, Scene, Simulated, Spread
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

APPLICATION = Application(
    connect_seconds=Distribution(values=(0.002,)),
    hold_seconds=Distribution(values=(0.003,)),
    spreads={"nothreading": Spread(), "sync": Spread()},
)
SCENE = Scene(
    hosts=3,
    rates=Rates(edges=np.array([0.0, 60.0]), per_second=np.array([2.0])),
    database=DatabaseLimits(max_connections=100),
)
SWITCHED = replace(
    SCENE,
    ends=tuple(ProcessesEnd(at=30.0, first=host, last=host + 1, serving_again=30.0, gone=33.0) for host in range(3)),
)


def _simulated(scene: Scene, strategy: str, server: str = "nothreading", **parameters: object) -> Simulated:
    kept = keeping(
        config_of(SERVERS, server, {}, "server"),
        config_of(STRATEGIES, strategy, parameters, "strategy"),  # type: ignore[arg-type]
    )
    return simulate(kept, APPLICATION, scene, np.array([0.0, 60.0]), np.random.default_rng(1))


@pytest.mark.parametrize(("scene", "boots"), [(SCENE, 3), (SWITCHED, 6)])
def test_each_boot_opens_a_connection_and_closes_it(scene: Scene, boots: int) -> None:
    found = _simulated(scene, "max_age", max_age=None)
    assert found.opened[0] == found.closed[0] == 3
    assert found.opened[-1] == boots + found.requests - found.reused


def test_servers_that_boot_quietly_open_none() -> None:
    found = _simulated(SWITCHED, "max_age", server="sync", max_age=None)
    assert found.opened[0] == 0
    assert found.opened[-1] == found.requests - found.reused


def test_pgbouncer_keeps_the_connection_of_a_boot_for_requests() -> None:
    found = _simulated(SWITCHED, "pgbouncer", pool_mode="session", max_age=0)
    assert found.opened[0] == found.open[0] == 3
    assert found.opened[-1] == 3
    assert found.client_opened == found.requests


@pytest.mark.parametrize(("largest", "of_each"), [(2, 2), (4, 3)])
def test_a_boot_fills_the_pool_and_grows_it_by_one(largest: int, of_each: int) -> None:
    found = _simulated(SWITCHED, "pool", min_size=2, max_size=largest)
    assert found.opened[0] == found.open[0] == 3 * of_each
    assert found.opened[-1] == 6 * of_each
    assert found.requests - found.reused == 6 * of_each  # each connection is used for a first time

"""Whatever happens to a fleet, what the fast engine counts adds up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from factories.fleets import a_keeping, a_scene, an_application, applications, keepings, scenes
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlab.fleet.engine import by_opening, by_sample, by_stream
from loadlab.model.fleet import Conditions, Rates

if TYPE_CHECKING:
    from loadlab.fleet.engine.by_sample import Engine
    from loadlab.model.fleet import Application, Keeping, Scene, Simulated

AT = np.arange(0, 90.5, 0.5)
ENGINES: dict[str, Engine] = {
    "by_opening": by_opening.simulate,
    "by_stream": by_stream.simulate,
    "sample": by_sample.of_hosts(2, by_stream.simulate),
}
own = keepings().map(lambda keeping: replace(keeping, pool=None, pooler=None))


def adds_up(simulated: Simulated) -> None:
    assert (simulated.opened == simulated.closed + simulated.open).all()
    assert (simulated.open >= 0).all()
    assert (np.diff(simulated.opened) >= 0).all()
    assert (np.diff(simulated.closed) >= 0).all()
    assert min(simulated.requests, simulated.reused, simulated.failed, simulated.refused, simulated.waited) >= 0


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=25)
@given(keeping=own, application=applications, scene=scenes(), seed=st.integers(0, 9))
def test_what_opened_has_closed_or_is_open(
    engine: str, keeping: Keeping, application: Application, scene: Scene, seed: int
) -> None:
    simulated = ENGINES[engine](
        replace(keeping, keeper="thread") if engine == "by_opening" else keeping,
        application,
        scene,
        AT,
        np.random.default_rng(seed),
    )

    adds_up(simulated)
    if engine == "by_stream":
        assert sum(simulated.closed_by.values()) == simulated.closed[-1]
        assert simulated.reused + simulated.failed + simulated.refused <= simulated.requests


def test_connections_add_up_behind_a_queue_of_minutes() -> None:
    """13 requests/s for one thread that needs 1 s for each: no lane of requests knows the queue of the one before."""
    simulated = by_stream.simulate(
        a_keeping(processes=1, threads=1, max_age=0.0, checks_at_end=False),
        an_application(connect=0.5, hold=0.5),
        a_scene(
            rates=Rates(edges=np.array([0.0, 10.0, 90.0]), per_second=np.array([13.0, 0.0])),
            conditions=Conditions(idle_seconds=1.0),
        ),
        AT,
        np.random.default_rng(0),
    )

    adds_up(simulated)
    assert simulated.opened[-1] == pytest.approx(90, abs=2)
    assert simulated.open.max() == 1

"""How often a strategy is simulated, and that cores make no difference to the figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from every import every
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.fleet import repeating
from loadlab.fleet.repeating import Simulation, how_often, one_by_one, repeated

SMALL = Simulation(
    keeping=a_keeping(processes=2, threads=2, max_age=5.0),
    application=an_application(),
    scene=a_scene(rate=20.0, seconds=60.0),
    at=np.linspace(0.0, 60.0, 61),
)


@every(
    ("requests", "asked", "times"), [(0.0, None, 10), (1e3, None, 10), (4e5, None, 4), (1e9, None, 4), (1e9, 50, 50)]
)
def test_what_takes_long_is_repeated_less_often(requests: float, asked: int | None, times: int) -> None:
    assert how_often(requests, asked) == times


def test_requests_count_where_they_are_simulated_one_by_one() -> None:
    assert one_by_one(SMALL.keeping, SMALL.application, SMALL.scene) == 1200
    many = a_scene(rate=20.0, seconds=1e6)
    assert one_by_one(replace(SMALL.keeping, threads=4), SMALL.application, many) == 0


@pytest.mark.slow
def test_processes_give_the_same_figures_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = repeated(SMALL, 4, 1)
    monkeypatch.setattr(repeating, "LONG", 0)
    together = repeated(SMALL, 4, 1)
    assert [one.reused for one in alone] == [one.reused for one in together]
    assert all(np.array_equal(one.open, other.open) for one, other in zip(alone, together, strict=True))

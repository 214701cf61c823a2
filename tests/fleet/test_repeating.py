"""How often a strategy is simulated, and that cores make no difference to the figures."""

from __future__ import annotations

import numpy as np
import pytest
from every import every
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.fleet import repeating
from loadlab.fleet.repeating import SimulationInputs, how_often, repeated

SMALL = SimulationInputs(
    keeping=a_keeping(processes=2, threads=2, max_age=5.0),
    application=an_application(),
    scene=a_scene(rate=20.0, seconds=60.0),
    at=np.linspace(0.0, 60.0, 61),
)


@every(
    ("seconds", "asked", "times"), [(0.0, None, 10), (0.6, None, 10), (1.0, None, 6), (60.0, None, 4), (60.0, 50, 50)]
)
def test_what_takes_long_is_repeated_less_often(seconds: float, asked: int | None, times: int) -> None:
    assert how_often(seconds, asked) == times


@pytest.mark.slow
def test_processes_give_the_same_figures_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = repeated(SMALL, 4, 1)
    monkeypatch.setattr(repeating, "LONG", 0.0)
    together = repeated(SMALL, 4, 1)
    assert [one.reused for one in alone] == [one.reused for one in together]
    assert all(np.array_equal(one.open, other.open) for one, other in zip(alone, together, strict=True))

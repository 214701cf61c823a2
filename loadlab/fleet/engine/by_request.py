"""The exact engine: simulates a fleet request by request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.fleet.engine.simulation import Simulation

if TYPE_CHECKING:
    import numpy as np

    from loadlab.model.fleet import Application, Keeping, Numbers, Scene, Simulated


def simulate(
    keeping: Keeping, application: Application, scene: Scene, at: Numbers, random: np.random.Generator
) -> Simulated:
    """One simulation of one strategy on a fleet, with what is open at each of the sorted instants `at`.

    Raises:
        UsageError: it is not known how the server mode spreads requests.
    """
    return Simulation(keeping, application, scene, random).run(at)

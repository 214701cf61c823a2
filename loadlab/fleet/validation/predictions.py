"""What the model says of a configuration before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from loadlab.fleet.engine.by_request import simulate
from loadlab.fleet.keeping import keeping
from loadlab.fleet.validation.scenes import sample_instants, scene
from loadlab.model.fleet_validation import COUNTED, FleetFigures, Prediction
from loadlab.plan.members import driver_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadlab.model.fleet import Application, Scene, Simulated
    from loadlab.model.fleet_validation import Configuration

REPEATS: Final = 40
BAND: Final = (0.05, 0.95)


def predict(
    configuration: Configuration, application: Application, *, repeats: int = REPEATS, happens: Scene | None = None
) -> Prediction:
    """The mean of repeated simulations, request by request, and a band that holds nine in ten of them.

    `happens` is the scene where another one than the planned is asked for.
    """
    planned = scene(configuration, application) if happens is None else happens
    server, strategy = configuration.server, configuration.strategy
    kept = keeping(server, strategy, application.spreads.get(server.name), driver=driver_for(server, strategy) or "")
    at = sample_instants(configuration)
    simulated = [
        figures(simulate(kept, application, planned, at, np.random.default_rng([configuration.seed, 2, repeat])))
        for repeat in range(repeats)
    ]
    return Prediction(
        configuration=configuration,
        mean=_each(simulated, lambda values: float(np.mean(values))),
        low=_each(simulated, lambda values: float(np.quantile(values, BAND[0]))),
        high=_each(simulated, lambda values: float(np.quantile(values, BAND[1]))),
        repeats=repeats,
    )


def _each(simulated: Sequence[FleetFigures], of: Callable[[Sequence[float]], float]) -> FleetFigures:
    values: dict[str, Any] = {name: of([getattr(one, name) for one in simulated]) for name in COUNTED}
    return FleetFigures(**values)


def figures(simulated: Simulated) -> FleetFigures:
    """One simulation as a real trial is counted: what is opened before the first instant is not."""
    return FleetFigures(
        opened=float(simulated.opened[-1] - simulated.opened[0]),
        mean_open=float(np.mean(simulated.open)),
        p99_open=float(np.quantile(simulated.open, 0.99)),
        requests=float(simulated.requests),
        reused=float(simulated.reused),
        refused=float(simulated.refused),
        failed=float(simulated.failed),
    )

"""Sets a prediction beside what was measured, and looks for the cause of each miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.fleet.validation.predictions import predict
from loadlab.fleet.validation.scenes import as_seen, scene
from loadlab.model.fleet_validation import JUDGED, Miss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Application
    from loadlab.model.fleet_validation import Cause, FleetFigures, Prediction, ValidationTrial

SHARE: Final = 0.10
LEAST: Final = 2.0  # connections, or requests
LEAST_SHARE: Final = 0.02  # of requests
OF_REQUESTS: Final = ("reused", "refused")
SHORT: Final = 0.01  # of the requests that were due
BUSY: Final = 0.9  # of all cores
LATE_SECONDS: Final = 0.05


def within(predicted: float, measured: float, least: float = LEAST) -> bool:
    """Whether a prediction is near enough: within 10 % of what was measured, or within `least` of it.

    >>> within(109, 100), within(112, 100), within(3.9, 2), within(0, 2.5)
    (True, False, True, False)
    """
    return abs(predicted - measured) <= max(SHARE * measured, least)


def missed(predicted: FleetFigures, measured: FleetFigures, *, least_share: float = LEAST_SHARE) -> tuple[str, ...]:
    """The judged figures that are not near enough.

    Requests are counted as shares: within 10 % of the measured share, or within `least_share` of all requests; within
    two requests at any rate.
    """
    of_requests = max(LEAST, least_share * measured.requests)
    least = {name: of_requests if name in OF_REQUESTS else LEAST for name in JUDGED}
    return tuple(name for name in JUDGED if not within(getattr(predicted, name), getattr(measured, name), least[name]))


def misses(prediction: Prediction, trial: ValidationTrial, application: Application) -> tuple[Miss, ...]:
    """Each figure that was missed, with its causes as far as they can be computed.

    The configuration is predicted again with its events as they really came, which takes as long as the first time.
    """
    measured = trial.measured
    names = missed(prediction.mean, measured) if measured else ()
    if measured is None or not names:
        return ()
    planned = scene(prediction.configuration, application)
    happens = as_seen(planned, trial.ends, trial.outages)
    again = predict(prediction.configuration, application, repeats=prediction.repeats, happens=happens)
    return tuple(_miss(name, prediction, again, trial) for name in names)


def _miss(name: str, prediction: Prediction, again: Prediction, trial: ValidationTrial) -> Miss:
    measured = getattr(trial.measured, name)
    return Miss(
        figure=name,
        predicted=getattr(prediction.mean, name),
        measured=measured,
        predicted_as_seen=getattr(again.mean, name),
        causes=tuple(_causes(name, prediction, again, trial)) or ("unknown",),
    )


def _causes(name: str, prediction: Prediction, again: Prediction, trial: ValidationTrial) -> Iterator[Cause]:
    measured = trial.measured
    if measured is None:
        return
    value = getattr(measured, name)
    if measured.requests < (1 - SHORT) * prediction.mean.requests - LEAST:
        yield "short_load"
    if prediction.configuration.events and name not in missed(again.mean, measured):
        yield "event_times"
    if trial.busy > BUSY or trial.late_seconds > LATE_SECONDS:
        yield "busy_machine"
    if getattr(prediction.low, name) <= value <= getattr(prediction.high, name):
        yield "chance"

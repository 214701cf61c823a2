"""Measures what the model has to know, before a validation and apart from its trials."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.model.fleet_validation import Configuration, PlannedEvent
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.model.fleet import Application
    from loadlab.model.fleet_trial import FleetTrial

RATE: Final = 2.0
SECONDS: Final = 6.0
RESTART_AT: Final = 1.0
DEPLOYMENT_AT: Final = 2.5
SEED: Final = 0  # no validation has it


def deployments(servers: Sequence[str]) -> list[Configuration]:
    """A small fleet of each server mode that restarts its database, and replaces both of its hosts."""
    return [_deployment(number, name) for number, name in enumerate(servers)]


def _deployment(number: int, name: str) -> Configuration:
    counted = {key: value[0] if isinstance(value, list) else value for key, value in SERVERS[name].counted.items()}
    workers = {"workers": 2} if "workers" in SERVERS[name].__dataclass_fields__ else {}
    return Configuration(
        number=number,
        seed=SEED,
        hosts=2,
        server=config_of(SERVERS, name, {**counted, **workers}, "servers"),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": 0}, "strategies"),
        rate=RATE,
        seconds=SECONDS,
        max_connections=100,
        events=(
            PlannedEvent(kind="database_restart", at=RESTART_AT),
            PlannedEvent(kind="rolling_deployment", at=DEPLOYMENT_AT),
        ),
    )


def with_deployments(application: Application, trials: Sequence[FleetTrial]) -> Application:
    """What the model knows, with the times of boots, ends and restarts that were seen.

    Raises:
        EnvironmentFaultError: none was seen.
    """
    if not trials:
        raise EnvironmentFaultError("No small fleet came up for calibration; the logs of the lanes tell why.")
    return replace(
        application,
        boot_seconds=dict(_of_each(trials, "boot")),
        stop_seconds=dict(_of_each(trials, "stop")),
        restart_seconds=median(outage.end - outage.start for trial in trials for outage in trial.outages),
    )


def _of_each(trials: Iterable[FleetTrial], what: str) -> Iterator[tuple[str, float]]:
    for trial in trials:
        boots = [end.serving_again - end.gone for end in trial.ends]
        stops = [end.gone - end.at for end in trial.ends]
        yield trial.configuration.server.name, median(boots if what == "boot" else stops)

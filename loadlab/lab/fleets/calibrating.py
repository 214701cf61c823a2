"""Measures what the model has to know, before a validation and apart from its trials.

A run tells how requests spread, how long they hold a connection, and how long connecting takes; small fleets of each
server mode tell how long boots, ends and restarts take.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.fleet.application import application_of_run
from loadlab.fleet.calibration import calibration_plan
from loadlab.fleet.spread import with_new_processes
from loadlab.lab.run import begin, create
from loadlab.model.fleet_validation import Configuration, PlannedEvent
from loadlab.plan.experiment import read_plan
from loadlab.plan.members import build_server, config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from loadlab.lab.opening import Listener
    from loadlab.model.config import Config
    from loadlab.model.fleet import Application, Spread
    from loadlab.model.fleet_trial import FleetTrial

RATE: Final = 4.0
SECONDS: Final = 6.0
RESTART_AT: Final = 1.0
DEPLOYMENT_AT: Final = 2.5
SEED: Final = 0  # no validation has it
# The driver is that of a fleet's hosts, and where connections leak, none may be refused. Garbage needs one long trial:
# each process has to collect it several times.
CHANGES: Final[Mapping[str, Any]] = {
    "driver": "psycopg2",
    "database": {"max_connections": 1000},
    "load": {"model": "open", "rate": 40},
    "window_seconds": 12.0,
    "holding": False,  # memory is not validated
}


def calibrate(servers: Sequence[str], folder: Path, listener: Listener) -> dict[str, Application]:
    """Runs in `folder` that tell what the model has to know of these server modes, but for the times of deployments.

    A mode that says too little, because something disturbed its trials, is measured once more.

    Raises:
        LabError: they do not come to their end, or say too little of a mode.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = _measured(servers, folder / "run", listener)
    if lacking := [name for name in servers if not complete(name, found)]:
        found |= _measured(lacking, folder / "again", listener)
    if lacking := [name for name in servers if not complete(name, found)]:
        raise EnvironmentFaultError(
            f"The calibration says too little of {', '.join(lacking)}: something disturbed its trials, as its report in"
            f" {folder} tells. Try again on a quieter machine, or name another mode with --server."
        )
    return found


def _measured(servers: Sequence[str], folder: Path, listener: Listener) -> dict[str, Application]:
    """What a run says of these modes; without those of which it says nothing."""
    experiment = read_plan(calibration_plan(map(_server, servers), **CHANGES), "The plan of the calibration")
    begin(create(folder, experiment), experiment.plan, None, listener)
    found = {}
    for name in servers:
        with suppress(UsageError):
            found[name] = application_of_run(folder, name)
    return found


def complete(name: str, found: Mapping[str, Application]) -> bool:
    """Whether it is known how requests spread and, where threads end with them, how long their garbage waits."""
    spread = found[name].spreads.get(name) if name in found else None
    leaks = not build_server(_server(name)).lasting_connections(1, keep_alive=False)
    return spread is not None and bool(spread.collected_after or not leaks)


def deployments(servers: Sequence[str]) -> list[Configuration]:
    """A small fleet of each server mode that restarts its database, and replaces both of its hosts."""
    return [_deployment(number, name) for number, name in enumerate(servers)]


def _deployment(number: int, name: str) -> Configuration:
    return Configuration(
        number=number,
        seed=SEED,
        hosts=2,
        server=_server(name),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": 0}, "strategies"),
        rate=RATE,
        seconds=SECONDS,
        max_connections=100,
        events=(
            PlannedEvent(kind="database_restart", at=RESTART_AT),
            PlannedEvent(kind="rolling_deployment", at=DEPLOYMENT_AT),
        ),
    )


def _server(name: str) -> Config:
    """As it is counted, with two workers where it has workers."""
    counted = {key: value[0] if isinstance(value, list) else value for key, value in SERVERS[name].counted.items()}
    workers = {"workers": 2} if "workers" in SERVERS[name].__dataclass_fields__ else {}
    return config_of(SERVERS, name, {**counted, **workers}, "servers")


def with_deployments(application: Application, trials: Sequence[FleetTrial]) -> Application:
    """What the model knows, with the times of boots, ends, restarts and first requests that were seen.

    Raises:
        EnvironmentFaultError: none was seen.
    """
    if not trials:
        raise EnvironmentFaultError("No small fleet came up for calibration; the logs of the lanes tell why.")
    return replace(
        application,
        spreads=dict(_fresh(application, trials)),
        boot_seconds=dict(_of_each(trials, "boot")),
        stop_seconds=dict(_of_each(trials, "stop")),
        restart_seconds=median(outage.end - outage.start for trial in trials for outage in trial.outages),
    )


def _fresh(application: Application, trials: Sequence[FleetTrial]) -> Iterator[tuple[str, Spread]]:
    """With what the first requests of new processes meet: a lab's trials have inspected theirs before."""
    of_mode = {trial.configuration.server.name: trial.new_processes for trial in trials}
    for name, spread in application.spreads.items():
        fresh = of_mode.get(name)
        yield name, spread if fresh is None else with_new_processes(spread, fresh)


def _of_each(trials: Iterable[FleetTrial], what: str) -> Iterator[tuple[str, float]]:
    for trial in trials:
        boots = [end.serving_again - end.gone for end in trial.ends]
        stops = [end.gone - end.at for end in trial.ends]
        yield trial.configuration.server.name, median(boots if what == "boot" else stops)

"""A configuration as the model sees it, before it is run: what comes when, and what happens to whom."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.load.locust_plugins.arrivals import arrivals
from loadlab.model.condition import OpenLoad
from loadlab.model.fleet import DatabaseLimits, Outage, ProcessesEnd, Rates, Scene
from loadlab.model.fleet_validation import SAMPLE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.fleet import Application, Numbers
    from loadlab.model.fleet_validation import Configuration, PlannedEvent

OVERLAP_SECONDS: Final = 2.0  # of old and new masters in a blue/green deployment
SUPERUSERS: Final = 3  # superuser_reserved_connections, as PostgreSQL has it
# Where calibration could not measure them.
USUAL_BOOT_SECONDS: Final = 2.0
USUAL_STOP_SECONDS: Final = 0.2
USUAL_RESTART_SECONDS: Final = 0.5


def scene(configuration: Configuration, application: Application) -> Scene:
    """What is known before it is run; times of events as they were calibrated."""
    return Scene(
        hosts=configuration.hosts,
        rates=Rates(edges=np.array([0.0, configuration.seconds]), per_second=np.array([configuration.rate])),
        database=DatabaseLimits(max_connections=configuration.max_connections, reserved=SUPERUSERS),
        balance=configuration.balance,
        ends=tuple(_ends(configuration, application)),
        outages=tuple(_outages(configuration, application)),
        arrivals=arrivals_of(configuration),
    )


def as_seen(planned: Scene, ends: tuple[ProcessesEnd, ...], outages: tuple[Outage, ...]) -> Scene:
    """The same with the events as they really came."""
    return replace(planned, ends=ends, outages=outages)


def arrivals_of(configuration: Configuration) -> Numbers:
    """When its requests are due: an input of a trial, as its seed fixes them."""
    load = OpenLoad(rate=configuration.rate, arrivals="poisson")
    due = itertools.takewhile(lambda at: at < configuration.seconds, arrivals(load, configuration.seed))
    return np.fromiter(due, dtype=np.float64)


def sample_instants(configuration: Configuration) -> Numbers:
    """When PostgreSQL's backends are counted: every 0.1 s, from the start of the load until its end."""
    return np.arange(0.0, configuration.seconds + SAMPLE_SECONDS / 2, SAMPLE_SECONDS)


def _ends(configuration: Configuration, application: Application) -> Iterator[ProcessesEnd]:
    boot = application.boot_seconds.get(configuration.server.name, USUAL_BOOT_SECONDS)
    stop = application.stop_seconds.get(configuration.server.name, USUAL_STOP_SECONDS)
    for event in configuration.events:
        if event.kind == "rolling_deployment":
            yield from _rolling(event, configuration.hosts, boot, stop)
        elif event.kind == "blue_green":
            yield _blue_green(event, configuration.hosts, boot, stop)


def _rolling(event: PlannedEvent, hosts: int, boot: float, stop: float) -> Iterator[ProcessesEnd]:
    for host in range(hosts):
        at = event.at + host * (stop + boot)
        yield ProcessesEnd(at=at, first=host, last=host + 1, serving_again=at + stop + boot, gone=at + stop)


def _blue_green(event: PlannedEvent, hosts: int, boot: float, stop: float) -> ProcessesEnd:
    """The old masters serve until the new ones are ready; they end a while after their last request."""
    at = event.at + boot
    return ProcessesEnd(at=at, first=0, last=hosts, serving_again=at, gone=at + OVERLAP_SECONDS + stop)


def _outages(configuration: Configuration, application: Application) -> Iterator[Outage]:
    seconds = application.restart_seconds
    for event in configuration.events:
        if event.kind == "database_restart":
            end = event.at + (USUAL_RESTART_SECONDS if seconds is None else seconds)
            yield Outage(start=event.at, end=end, first=0, last=configuration.hosts)

"""Answers about small fleets, simulated."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from factories.fleets import a_scene
from loadlab.analysis.fleet_answer import ComparedFleet, fleet_answer
from loadlab.fleet.keeping import keeping
from loadlab.model.config import Config
from loadlab.model.fleet import Application, DatabaseLimits, Distribution, Outage, Scene, Spread
from loadlab.model.fleet_outcome import FleetAnswer, Moment

SERVER = Config(name="gthread", parameters={"workers": 2, "threads": 2})
MEASURED = Application(
    connect_seconds=Distribution(values=(0.003, 0.005)),
    hold_seconds=Distribution(values=(0.008, 0.012)),
    spreads={"gthread": Spread()},
    app_cpu_per_connect=0.001,
    database_cpu_per_connect=0.003,
    idle_backend_bytes=2e6,
    source="the run in runs/20261128-140000",
)
RESTART = Moment(name="database_restart", start=400.0, end=402.0)
SECONDS = 600.0


def scene(max_connections: int = 20, hosts: int = 3) -> Scene:
    return a_scene(
        rate=4.0 * hosts,
        seconds=SECONDS,
        hosts=hosts,
        database=DatabaseLimits(max_connections=max_connections, reserved=3),
        outages=(Outage(start=RESTART.start, end=RESTART.end, first=0, last=hosts),),
    )


def asked(*ages: float | None, where: Scene | None = None, application: Application = MEASURED) -> ComparedFleet:
    strategies = [Config(name="max_age", parameters={"max_age": age, "conn_health_checks": False}) for age in ages]
    return ComparedFleet(
        title="fleet.toml",
        application=application,
        strategies=[(keeping(SERVER, one), where or scene()) for one in strategies],
        moments=(RESTART,),
        repeats=3,
    )


@cache
def answer(*ages: float | None, max_connections: int = 20) -> FleetAnswer:
    return fleet_answer(asked(*ages or (0, 60, None), where=scene(max_connections)))


def hostile(name: str) -> FleetAnswer:
    """With a title and a source of another's making."""
    return replace(answer(), title=name, source=name, remarks=(name,))

"""A configuration as the model sees it: when its hosts leave, serve again, and lose their connections."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadlab.fleet.validation.scenes import as_seen, sample_instants, scene
from loadlab.model.config import Config
from loadlab.model.fleet import Application, Distribution, Outage, ProcessesEnd, Spread
from loadlab.model.fleet_validation import Configuration, PlannedEvent

APPLICATION = Application(
    connect_seconds=Distribution(values=(0.002,)),
    hold_seconds=Distribution(values=(0.003,)),
    spreads={"sync": Spread()},
    boot_seconds={"sync": 1.5},
    stop_seconds={"sync": 0.5},
    restart_seconds=0.25,
)
QUIET = Configuration(
    number=0,
    seed=7,
    hosts=3,
    server=Config(name="sync", parameters={"workers": 2}),
    strategy=Config(name="max_age", parameters={"max_age": 4, "conn_health_checks": False}),
    rate=5.0,
    seconds=30.0,
    max_connections=100,
)


def test_a_rolling_deployment_replaces_one_host_after_another() -> None:
    planned = replace(QUIET, events=(PlannedEvent(kind="rolling_deployment", at=10.0),))
    assert scene(planned, APPLICATION).ends == tuple(
        ProcessesEnd(at=at, first=host, last=host + 1, serving_again=at + 2.0, gone=at + 0.5)
        for host, at in enumerate((10.0, 12.0, 14.0))
    )


def test_blue_green_serves_all_the_time_and_both_are_open_for_a_while() -> None:
    (end,) = scene(replace(QUIET, events=(PlannedEvent(kind="blue_green", at=10.0),)), APPLICATION).ends
    assert (end.first, end.last) == (0, 3)
    assert end.at == end.serving_again == 11.5
    assert end.gone == pytest.approx(14.0)


def test_a_restart_takes_the_connections_of_all_hosts() -> None:
    planned = replace(QUIET, events=(PlannedEvent(kind="database_restart", at=10.0),))
    assert scene(planned, APPLICATION).outages == (Outage(start=10.0, end=10.25, first=0, last=3),)


def test_a_scene_is_told_again_with_the_events_that_were_seen() -> None:
    planned = scene(replace(QUIET, events=(PlannedEvent(kind="database_restart", at=10.0),)), APPLICATION)
    seen = (Outage(start=10.1, end=10.9, first=0, last=3),)
    again = as_seen(planned, (), seen)
    assert again.outages == seen
    assert again.arrivals is planned.arrivals


def test_places_of_superusers_are_not_the_fleets() -> None:
    assert scene(QUIET, APPLICATION).database.free == 97


def test_samples_are_from_the_start_of_the_load_to_its_end() -> None:
    at = sample_instants(QUIET)
    assert at[0] == 0
    assert at[-1] == pytest.approx(30.0)
    assert at.size == 301

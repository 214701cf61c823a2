"""Random small fleets: the same for the same seed, and as varied as the validation promises."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from loadlab.fleet.validation.configurations import (
    AGES,
    AMPLE,
    MOST_CPU,
    MOST_CPU_WHILE_BOOTING,
    RATES,
    SECONDS,
    configurations,
    cpu_cores,
)
from loadlab.fleet.validation.scenes import arrivals_of
from loadlab.model.drivers import DRIVERS
from loadlab.plan.members import build_strategy, server_traits
from loadlab.servers import SERVERS

if TYPE_CHECKING:
    from loadlab.model.fleet_validation import Configuration

SERVER_NAMES = list(SERVERS)
MANY = configurations(1, 420, SERVER_NAMES)


def test_a_configuration_follows_from_its_seed_alone() -> None:
    later = configurations(11, 5, list(reversed(SERVER_NAMES)))
    assert [one.seed for one in later] == [11, 12, 13, 14, 15]
    for one, same in zip(later, MANY[10:15], strict=True):
        assert (one.server, one.strategy, one.events) == (same.server, same.strategy, same.events)
        assert (one.rate, one.seconds, one.hosts) == (same.rate, same.seconds, same.hosts)


def test_each_server_mode_comes_about_equally_often() -> None:
    assert set(Counter(one.server.name for one in MANY).values()) <= {19, 20, 21}
    assert set(Counter(one.server.name for one in configurations(1000, 21, SERVER_NAMES)).values()) <= {1, 2}


def test_a_single_server_mode_can_be_asked_for() -> None:
    assert {one.server.name for one in configurations(1, 9, ["gthread"])} == {"gthread"}


def test_every_age_and_every_kind_of_strategy_comes() -> None:
    assert {one.strategy.parameters["max_age"] for one in MANY if one.strategy.name == "max_age"} == set(AGES)
    assert {one.strategy.name for one in MANY} == {"max_age", "pool", "pgbouncer"}
    modes = {one.strategy.parameters["pool_mode"] for one in MANY if one.strategy.name == "pgbouncer"}
    assert modes == {"session", "transaction"}


def test_strategies_fit_their_server_mode_with_a_driver() -> None:
    for one in MANY:
        why = [build_strategy(one.strategy).incompatible(server_traits(one.server, driver)) for driver in DRIVERS]
        assert None in why, one


def test_rates_and_lengths_are_spread_over_their_bounds() -> None:
    rates, seconds = [one.rate for one in MANY], [one.seconds for one in MANY]
    assert RATES[0] <= min(rates) < 1.5
    assert 180 < max(rates) <= RATES[1]
    assert SECONDS[0] <= min(seconds) < 32
    assert 110 < max(seconds) <= SECONDS[1]
    assert 5 < np.median(rates) < 25


def test_no_load_asks_for_more_than_the_cpu_that_is_allowed() -> None:
    assert all(cpu_cores(one) <= MOST_CPU * 1.001 for one in MANY)
    deployed = [one for one in MANY if any(event.kind != "database_restart" for event in one.events)]
    assert all(cpu_cores(one) <= MOST_CPU_WHILE_BOOTING * 1.002 for one in deployed)


def test_deployments_restarts_and_refusals_come_as_often_as_said() -> None:
    kinds = Counter(event.kind for one in MANY for event in one.events)
    assert 0.26 < (kinds["rolling_deployment"] + kinds["blue_green"]) / len(MANY) < 0.41
    assert 0.18 < kinds["database_restart"] / len(MANY) < 0.32
    assert 0.04 < sum(one.max_connections != AMPLE for one in MANY) / len(MANY) < 0.16


def test_events_are_in_order_and_in_the_middle_of_the_load() -> None:
    for one in MANY:
        assert all(0.1 * one.seconds < event.at < 0.75 * one.seconds for event in one.events)
        assert all(first.at < second.at for first, second in pairwise(one.events))


@pytest.mark.parametrize("one", MANY[:20], ids=lambda one: str(one.seed))
def test_arrivals_are_known_before_a_configuration_is_run(one: Configuration) -> None:
    due = arrivals_of(one)
    assert np.array_equal(due, arrivals_of(one))
    assert (np.diff(due) > 0).all()
    assert due[-1] < one.seconds
    expected = one.rate * one.seconds
    assert abs(due.size - expected) < 5 * np.sqrt(expected)

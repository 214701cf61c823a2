"""When events begin and end, as charts and tables show them."""

from __future__ import annotations

from loadlab.fleet.events.database_restart import DatabaseRestart
from loadlab.fleet.events.idle_timeout import IdleTimeout
from loadlab.fleet.events.rolling_deployment import RollingDeployment
from loadlab.fleet.moments import moments
from loadlab.model.fleet import Extent

DAY = Extent(hosts=5, seconds=86_400.0)


def test_a_rolling_deployment_is_one_event_until_its_last_host_serves() -> None:
    (found,) = moments([RollingDeployment(at_seconds=3600.0)], DAY)
    assert (found.name, found.start) == ("rolling_deployment", 3600.0)
    assert 3600 + 4 * 15 < found.end <= 3600 + 5 * 15 + 5


def test_each_of_several_deployments_is_an_event() -> None:
    found = moments([RollingDeployment(at_seconds=3600.0, every_seconds=28_800.0)], DAY)
    assert [one.start for one in found] == [3600.0, 32_400.0, 61_200.0]


def test_events_are_in_the_order_of_time_and_conditions_are_none() -> None:
    found = moments(
        [DatabaseRestart(at_seconds=500.0), IdleTimeout(idle_seconds=300.0), RollingDeployment(at_seconds=100.0)], DAY
    )
    assert [one.name for one in found] == ["rolling_deployment", "database_restart"]

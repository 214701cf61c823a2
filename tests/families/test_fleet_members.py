"""Every traffic and every event of a fleet takes its parameters from a file, and only those that it knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from loadlab.fleet.events import EVENTS
from loadlab.fleet.traffic import TRAFFICS
from loadlab.model.fleet import Conditions, Extent
from loadlab.plan.plain import plainly
from loadlab.plan.problems import checked

if TYPE_CHECKING:
    from loadlab.plan.problems import Problem

TRAFFIC: Final[dict[str, dict[str, Any]]] = {
    "access_log": {"files": str(Path(__file__).parent.parent / "fleet" / "traffic" / "requests.txt")},
    "constant": {"rate": 20},
    "day": {"mean_rate": 20, "hourly_shares": list(range(24))},
    "bursts": {"base_rate": 1, "burst_rate": 100, "burst_seconds": 5, "period_seconds": 60},
}
EVENT: Final[dict[str, dict[str, Any]]] = {
    "blue_green": {"at_seconds": 600},
    "database_restart": {"at_seconds": 600},
    "host_loss": {"at_seconds": 600, "hosts": 2},
    "idle_timeout": {"idle_seconds": 350},
    "network_cut": {"at_seconds": 600, "first_host": 1},
    "rolling_deployment": {"at_seconds": 600, "share_at_once": 0.25, "surge": True, "every_seconds": 3600},
    "worker_max_requests": {"max_requests": 1000, "jitter": 50},
}
MEMBERS: Final = [
    *((TRAFFICS, name, TRAFFIC.get(name, {})) for name in TRAFFICS),
    *((EVENTS, name, EVENT.get(name, {})) for name in EVENTS),
]
EXTENT: Final = Extent(hosts=4, seconds=7200.0)
every_member = pytest.mark.parametrize(("family", "name", "valid"), MEMBERS, ids=[name for _, name, _ in MEMBERS])


@every_member
def test_a_member_is_read_with_and_without_pydantic(family: Any, name: str, valid: dict[str, Any]) -> None:
    problems: list[Problem] = []
    assert plainly(family[name], valid) == checked(family[name], valid, name, problems)
    assert problems == []


@every_member
def test_an_unknown_or_negative_parameter_is_a_problem(family: Any, name: str, valid: dict[str, Any]) -> None:
    problems: list[Problem] = []
    wrong = {key: -1 for key, value in valid.items() if not isinstance(value, list | bool)}
    assert checked(family[name], {**valid, **wrong, "unheard_of": 1}, name, problems) is None
    assert {problem.where for problem in problems} == {f"{name}.{key}" for key in [*wrong, "unheard_of"]}


@pytest.mark.parametrize("name", list(TRAFFICS))
def test_a_traffic_lasts_as_long_as_asked_for(name: str) -> None:
    traffic = plainly(TRAFFICS[name], TRAFFIC[name])
    assert traffic.rates(90.5).seconds == 90.5
    own = traffic.rates(None)
    assert own.seconds > 0
    assert own.edges[0] == 0
    assert own.per_second.size == own.edges.size - 1


@pytest.mark.parametrize("name", list(EVENTS))
def test_an_event_does_something_to_a_fleet(name: str) -> None:
    event = plainly(EVENTS[name], EVENT[name])
    assert list(event.problems(EXTENT)) == []
    spans = [(one.first, one.last) for one in (*event.ends(EXTENT), *event.outages(EXTENT))]
    assert all(0 <= first < last <= EXTENT.hosts for first, last in spans)
    assert spans or event.conditions(Conditions()) != Conditions()

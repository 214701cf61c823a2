"""Each event says what it does to a fleet, and what is wrong with it in one."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.fleet.events.blue_green import BlueGreen
from loadlab.fleet.events.database_restart import DatabaseRestart
from loadlab.fleet.events.host_loss import HostLoss
from loadlab.fleet.events.idle_timeout import IdleTimeout
from loadlab.fleet.events.network_cut import NetworkCut
from loadlab.fleet.events.rolling_deployment import RollingDeployment
from loadlab.fleet.events.worker_max_requests import WorkerMaxRequests
from loadlab.model.fleet import Conditions, Extent, Outage, ProcessesEnd

if TYPE_CHECKING:
    from loadlab.fleet.events import Event

HOUR = Extent(hosts=5, seconds=3600.0)
seconds = st.floats(0, 5000)


def end(at: float, first: int, last: int, again: float, gone: float) -> ProcessesEnd:
    return ProcessesEnd(at=at, first=first, last=last, serving_again=again, gone=gone)


def test_a_rolling_deployment_takes_one_batch_after_the_other() -> None:
    made = RollingDeployment(at_seconds=100.0, hosts_at_once=2, drain_seconds=3.0, boot_seconds=7.0).ends(HOUR)
    assert made == (end(100, 0, 2, 110, 103), end(110, 2, 4, 120, 113), end(120, 4, 5, 130, 123))


def test_a_surge_keeps_all_hosts_in_the_rotation() -> None:
    event = RollingDeployment(at_seconds=100.0, share_at_once=0.5, drain_seconds=3.0, boot_seconds=7.0, surge=True)
    assert event.ends(Extent(hosts=4, seconds=3600.0)) == (end(107, 0, 2, 107, 110), end(117, 2, 4, 117, 120))


@given(hosts=st.integers(1, 60), batch=st.integers(1, 60), share=st.none() | st.floats(0.001, 1), surge=st.booleans())
def test_a_rolling_deployment_replaces_every_host_once(
    hosts: int, batch: int, share: float | None, *, surge: bool
) -> None:
    event = RollingDeployment(at_seconds=10.0, hosts_at_once=batch, share_at_once=share, surge=surge)
    made = event.ends(Extent(hosts=hosts, seconds=1e6))
    assert [host for one in made for host in range(one.first, one.last)] == list(range(hosts))
    assert all(before.serving_again <= after.serving_again for before, after in pairwise(made))
    assert all((one.serving_again == one.at) == surge for one in made)


def test_a_deployment_is_repeated_until_the_time_is_over() -> None:
    event = BlueGreen(at_seconds=600.0, overlap_seconds=30.0, every_seconds=1000.0)
    assert [one.at for one in event.ends(HOUR)] == [600.0, 1600.0, 2600.0]
    assert event.ends(HOUR)[0] == end(600, 0, 5, 600, 630)
    rolling = RollingDeployment(at_seconds=600.0, every_seconds=1000.0, hosts_at_once=5)
    assert [one.at for one in rolling.ends(HOUR)] == [600.0, 1600.0, 2600.0]


def test_batches_that_would_begin_after_the_end_are_left_out() -> None:
    made = RollingDeployment(at_seconds=3580.0, drain_seconds=5.0, boot_seconds=5.0).ends(HOUR)
    assert [one.at for one in made] == [3580.0, 3590.0]


def test_a_lost_hosts_connections_stay_until_keepalive_notices() -> None:
    assert HostLoss(at_seconds=60.0).ends(HOUR) == (end(60, 0, 1, inf, 60 + 2 * 3600 + 11 * 60 + 15),)
    event = HostLoss(at_seconds=60.0, hosts=2, first_host=3, back_seconds=120.0, noticed_seconds=15.0)
    assert event.ends(HOUR) == (end(60, 3, 5, 180, 75),)


def test_a_network_cut_is_an_outage_of_its_hosts_alone() -> None:
    assert NetworkCut(at_seconds=60.0, hosts=2, first_host=1).outages(HOUR) == (
        Outage(start=60.0, end=90.0, first=1, last=3, gone=60.0),
    )
    assert NetworkCut(at_seconds=60.0, first_host=1).outages(HOUR)[0].last == 5
    assert NetworkCut(at_seconds=60.0, noticed_seconds=7875.0).outages(HOUR)[0].gone_at == 7935


def test_a_database_restart_is_an_outage_of_all_hosts() -> None:
    assert DatabaseRestart(at_seconds=9.0, down_seconds=2.0).outages(HOUR) == (
        Outage(start=9.0, end=11.0, first=0, last=5),
    )


def test_the_shortest_of_several_idle_timeouts_counts() -> None:
    conditions = Conditions()
    for idle in (350.0, 300.0, 600.0):
        conditions = IdleTimeout(idle_seconds=idle).conditions(conditions)
    assert conditions == Conditions(idle_seconds=300.0)


def test_max_requests_and_an_idle_timeout_hold_together() -> None:
    conditions = WorkerMaxRequests(max_requests=1000, jitter=50).conditions(Conditions(idle_seconds=300.0))
    assert conditions == Conditions(idle_seconds=300.0, max_requests=1000, max_requests_jitter=50)


@every(
    ("event", "wrong"),
    [
        (RollingDeployment(at_seconds=3600.0), {"at_seconds": "3,600 is not within the 3,600 simulated seconds"}),
        (RollingDeployment(at_seconds=0.0, hosts_at_once=6), {"hosts_at_once": "6 is more than the fleet has"}),
        (
            RollingDeployment(at_seconds=0.0, every_seconds=74.0),
            {"every_seconds": "74 is shorter than the 75 seconds that it takes"},
        ),
        (RollingDeployment(at_seconds=3599.0, every_seconds=75.0, hosts_at_once=5), {}),
        (BlueGreen(at_seconds=4000.0, every_seconds=59.0), {"at_seconds": "4,000", "every_seconds": "59 is shorter"}),
        (HostLoss(at_seconds=5.0, hosts=6), {"hosts": "the fleet has no host 5"}),
        (HostLoss(at_seconds=5.0, hosts=2, first_host=4), {"hosts": "the fleet has no host 5"}),
        (HostLoss(at_seconds=5.0, first_host=5), {"first_host": "the fleet has no host 5"}),
        (HostLoss(at_seconds=5.0, hosts=5), {}),
        (NetworkCut(at_seconds=5.0, first_host=5), {"first_host": "the fleet has no host 5"}),
        (NetworkCut(at_seconds=3600.5, first_host=4), {"at_seconds": "3,600.5"}),
        (DatabaseRestart(at_seconds=1e9), {"at_seconds": "1,000,000,000 is not within"}),
        (IdleTimeout(idle_seconds=5.0), {}),
        (WorkerMaxRequests(max_requests=1), {}),
    ],
)
def test_an_event_tells_all_that_is_wrong_with_it_in_a_fleet(event: Event, wrong: dict[str, str]) -> None:
    found = {problem.where: problem for problem in event.problems(HOUR)}
    assert found.keys() == wrong.keys()
    for key, words in wrong.items():
        assert words in found[key].what
        assert found[key].remedy

"""A small fleet is run for real: what it counts is exact, and what is planned happens to it."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest
from laboratory import Quiet
from patience import await_that

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.fleets import observe_fleet
from loadlab.lab.opening import open_lab
from loadlab.lab.project import Project
from loadlab.model.fleet_validation import Configuration, PlannedEvent
from loadlab.model.plan import Plan
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.lab.lab import Lab
    from loadlab.model.config import Config
    from loadlab.model.fleet_trial import FleetTrial

pytestmark = pytest.mark.process


def programs() -> set[str]:
    """What runs below this process: the modules of Python's, and PostgreSQL."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            argv = process.cmdline()
            found.add(argv[argv.index("-m") + 1] if "-m" in argv else process.name())
    return found


# Of a release that no more than so many processes can load.
SETTINGS: Final = """\
from pathlib import Path
from loadlab.sample_app.settings import *

boots = Path(__file__).with_name("boots")
with boots.open("a") as file:
    file.write("a boot\\n")
if len(boots.read_text().splitlines()) > {hosts}:
    raise RuntimeError("this release is broken")
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Its own: a fleet restarts PostgreSQL with another limit."""
    with open_lab(Plan(servers={}, strategies={}), None, tmp_path_factory.mktemp("logs"), Quiet()) as opened:
        yield opened


BUSY: Final = ("stood still", "samples instead of", "too many were under way")  # what a busy machine does to a load


def kept_for(age: float | None) -> Config:
    return config_of(STRATEGIES, "max_age", {"max_age": age}, "strategy")


def fleet(server: str, strategy: Config, *events: PlannedEvent, **changes: Any) -> Configuration:
    of_server = changes.pop("of_server", {})
    usual = {"number": 1, "seed": 1, "hosts": 2, "rate": 20.0, "seconds": 3.0, "max_connections": 50}
    choice = config_of(SERVERS, server, of_server, "server")
    return Configuration(server=choice, strategy=strategy, events=events, **{**usual, **changes})


def exact(trial: FleetTrial) -> FleetTrial:
    """The trial, if no count of it is in doubt."""
    doubts = [gap for gap in trial.figures.gaps if not any(words in gap for words in BUSY)]
    assert doubts == []
    return trial


def test_a_blue_green_deployment_of_a_small_fleet_is_counted_exactly(lab: Lab) -> None:
    switching = PlannedEvent(kind="blue_green", at=0.5)
    seen = exact(observe_fleet(lab, fleet("gthread", kept_for(None), switching)))
    figures = seen.figures
    assert figures.failed == figures.refused == 0
    assert figures.opened == seen.opened_by_hosts == figures.requests - figures.reused
    assert 0 < figures.mean_open <= max(seen.open) <= 2 * 2 * 2 * 4  # twice two hosts of two workers of four threads
    old, other = seen.ends
    assert (old.first, other.first) == (0, 1)
    assert old.at == old.serving_again >= switching.at
    assert old.gone >= old.at + 2.0


@pytest.mark.slow
def test_a_rolling_deployment_replaces_one_host_after_the_other(lab: Lab) -> None:
    rolling = PlannedEvent(kind="rolling_deployment", at=1.0)
    seen = exact(observe_fleet(lab, fleet("sync", kept_for(None), rolling, hosts=3, seconds=8.0)))
    assert seen.figures.failed == 0
    assert [end.first for end in seen.ends] == [0, 1, 2]
    instants = [instant for end in seen.ends for instant in (end.at, end.gone, end.serving_again)]
    assert instants == sorted(instants)
    assert seen.closed["process_exit"] >= 3  # each host that ended had a connection at least


@pytest.mark.slow
def test_after_a_restart_of_the_database_each_kept_connection_fails_once(lab: Lab) -> None:
    restart = PlannedEvent(kind="database_restart", at=2.0)
    seen = exact(observe_fleet(lab, fleet("sync", kept_for(None), restart, seconds=6.0)))
    (outage,) = seen.outages
    assert 2.0 <= outage.start < outage.end
    assert seen.away >= 1
    lost = 4  # two hosts of two workers
    refused_meanwhile = sum(seen.connect_errors.values())
    assert seen.figures.failed <= lost + refused_meanwhile
    assert seen.figures.opened == seen.opened_by_hosts
    assert seen.figures.requests == seen.figures.reused + seen.figures.opened + seen.figures.failed


@pytest.mark.slow
def test_a_full_database_refuses_what_the_limit_leaves_no_room_for(lab: Lab) -> None:
    full = fleet("gthread", kept_for(None), rate=150.0, max_connections=10, seconds=5.0)
    seen = exact(observe_fleet(lab, full))
    assert max(seen.open) == 7  # three slots are reserved for superusers
    assert seen.figures.refused > 0


@pytest.mark.slow
def test_a_server_that_connects_as_it_boots_needs_room_for_that(lab: Lab) -> None:
    with pytest.raises(EnvironmentFaultError, match="remaining connection slots"):
        observe_fleet(lab, fleet("nothreading", kept_for(0), max_connections=3))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_behind_poolers_postgresql_counts_their_connections(lab: Lab, mode: str) -> None:
    pooled = config_of(STRATEGIES, "pgbouncer", {"pool_mode": mode, "pool_size": 2}, "strategy")
    seen = exact(observe_fleet(lab, fleet("gthread", pooled)))
    assert seen.figures.opened <= 2 * 2 < seen.opened_by_hosts


@pytest.mark.slow
def test_a_pool_opens_what_it_was_told_and_counts_exactly(lab: Lab) -> None:
    pool = config_of(STRATEGIES, "pool", {"min_size": 2, "max_size": 4}, "strategy")
    seen = exact(observe_fleet(lab, fleet("gthread", pool, rate=40.0)))
    assert 2 * 2 * 2 <= seen.figures.opened <= 2 * 2 * 4
    assert seen.figures.refused == 0


@pytest.mark.slow
def test_a_release_that_does_not_boot_ends_the_trial_with_the_reason(lab: Lab, tmp_path: Path) -> None:
    tmp_path.joinpath("released.py").write_text(SETTINGS.format(hosts=2))
    environment = {**Project().environment, "PYTHONPATH": str(tmp_path)}
    broken = replace(lab, project=replace(lab.project, settings="released", environment=environment))
    rolling = PlannedEvent(kind="rolling_deployment", at=0.5)
    with pytest.raises(EnvironmentFaultError, match="this release is broken"):
        observe_fleet(broken, fleet("sync", kept_for(None), rolling, of_server={"workers": 1}))
    assert exact(observe_fleet(lab, fleet("sync", kept_for(None)))).figures.failed == 0


@pytest.mark.slow
def test_an_interrupted_trial_leaves_no_program_behind(lab: Lab) -> None:
    seen: list[set[str]] = []

    def interrupt() -> None:
        await_that(lab.scratch.joinpath("fleet.json.0.counts").exists)  # the load goes on
        seen.append(programs())
        os.kill(os.getpid(), signal.SIGINT)

    waiting = threading.Thread(target=interrupt)
    waiting.start()
    with pytest.raises(KeyboardInterrupt):
        observe_fleet(lab, fleet("sync", kept_for(None), seconds=60.0))
    waiting.join()
    (meanwhile,) = seen
    assert meanwhile == {"postgres", "gunicorn", "loadlab.services.balancer", "loadlab.load.generator"}
    assert programs() == {"postgres"}
    assert exact(observe_fleet(lab, fleet("sync", kept_for(None)))).figures.failed == 0

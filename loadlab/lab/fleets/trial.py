"""Runs one small fleet under its load, with what is planned to happen to it, and counts it from both ends."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.fleet.spread import new_processes
from loadlab.lab.fleets.backends import Backends
from loadlab.lab.fleets.balancing import balancing
from loadlab.lab.fleets.cores import Cores
from loadlab.lab.fleets.counting import FleetCounter
from loadlab.lab.fleets.figuring import Seen, figures
from loadlab.lab.fleets.happening import FleetEvents
from loadlab.lab.fleets.hosts import serving_hosts
from loadlab.lab.sampler import Sampler
from loadlab.lab.settling import sleep_until
from loadlab.load.generator.contract import LoadRequest
from loadlab.model.condition import OpenLoad
from loadlab.model.fleet_trial import FleetTrial
from loadlab.model.fleet_validation import SAMPLE_SECONDS
from loadlab.plan.scenarios import locustfile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.lab.fleets.balancing import Balancing
    from loadlab.lab.generator import Generator, RunningLoad
    from loadlab.lab.lab import Lab
    from loadlab.model.fleet_validation import Configuration, FleetFigures

SCENARIO: Final = "read_one"
OUTSTANDING: Final = 256  # requests under way at once, and no more: far beyond what waits in a fleet that keeps up
OBSERVERS: Final = 2  # the lab's own connections, which the configuration's limit does not count
EMPTY_SECONDS: Final = 10.0


def run_fleet(lab: Lab, configuration: Configuration) -> FleetFigures:
    """What PostgreSQL and the hosts count, from the start of the load until its end.

    Raises:
        EnvironmentFaultError: a host does not start or does not come back, or the load does not end.
        IncompleteError: PostgreSQL stays away.
    """
    return observe_fleet(lab, configuration).figures


def observe_fleet(lab: Lab, configuration: Configuration) -> FleetTrial:
    """The same, with what explains it: samples over time, and when each event really came.

    Raises:
        EnvironmentFaultError: as `run_fleet`.
        IncompleteError: as `run_fleet`.
    """
    _limit(lab, configuration.max_connections)
    lab.judge.await_empty(EMPTY_SECONDS)
    before = lab.judge.sessions()
    log = lab.logs / f"fleet-{configuration.number}-balancer.log"
    with (
        Backends(lab.database) as backends,  # connects before any host does, or one more of theirs would find room
        balancing(configuration.balance, configuration.seed, lab.register, log) as balancer,
        serving_hosts(lab, configuration) as hosts,
    ):
        boots = tuple(host.boot_seconds[0] for host in hosts)
        seen = _observed(lab, configuration, backends, balancer, FleetCounter(lab, before, hosts))
        fresh = new_processes(uses for host in hosts for uses in host.uses())
    return FleetTrial(
        configuration=configuration,
        figures=figures(seen, configuration),
        at=tuple(seen.series.at),
        open=tuple(int(backends) for backends in seen.series.backends),
        away=seen.away,
        ends=tuple(seen.happening.ends),
        outages=tuple(seen.happening.outages),
        boot_seconds=boots,
        opened_at_boot=seen.start.sessions,
        opened_by_hosts=seen.of_load.opened,
        connect_errors=seen.of_load.connect_errors,
        closed=seen.of_load.closed,
        failures=seen.result.failures,
        busy=tuple(seen.series.of("busy")),
        late_seconds=seen.late_seconds,
        new_processes=fresh,
    )


def _limit(lab: Lab, max_connections: int) -> None:
    """Let PostgreSQL have so many connections of others than the lab.

    Raises:
        EnvironmentFaultError: it is not the lab's own, or does not come up again.
    """
    restart = lab.database.restart
    if restart is None:
        raise EnvironmentFaultError("A fleet is run on loadlab's own PostgreSQL alone: leave --dsn out.")
    restart(max_connections=max_connections + OBSERVERS)
    lab.observing.restore()


def _observed(
    lab: Lab, configuration: Configuration, backends: Backends, balancer: Balancing, counter: FleetCounter
) -> Seen:
    """The load from its start until its end, and what is planned in the middle."""
    start, hosts = counter.at_rest(), counter.hosts
    balancer.rotate(host.port for host in hosts)
    request = _request(configuration, balancer.url, lab.scratch)
    with _loading(lab.generator, request) as drive:
        happening, cores = FleetEvents(hosts, balancer, lab.observing, drive.started), Cores()
        with Sampler(lambda: {**backends.read(), **cores.read()}, drive.started, rate=1 / SAMPLE_SECONDS) as sampler:
            happening.carry_out(configuration.events)
            sleep_until(drive.started + configuration.seconds)
        result = drive.wait()
    if result is None:
        raise EnvironmentFaultError("The load did not end, or broke; Locust's log tells why.")
    return Seen(
        start=start,
        end=counter.at_rest(lost=bool(happening.outages)),
        result=result,
        series=sampler.series(),
        happening=happening,
        stayed=all(host.running() for host in hosts),
        reset=counter.reset(),
    )


@contextmanager
def _loading(generator: Generator, request: LoadRequest) -> Iterator[RunningLoad]:
    """A load that has begun; one that an error leaves under way is abandoned, and the next has a fresh generator."""
    try:
        yield generator.begin(request)
    except BaseException:
        generator.abandon()
        raise


def _request(configuration: Configuration, url: str, scratch: Path) -> LoadRequest:
    return LoadRequest(
        locustfile=str(locustfile(SCENARIO)),
        host=url,
        users=OUTSTANDING,
        keep_alive=False,
        warmup_seconds=0.0,
        window_seconds=configuration.seconds,
        result=str(scratch / "fleet.json"),
        open_load=OpenLoad(rate=configuration.rate, arrivals="poisson"),
        seed=configuration.seed,
    )

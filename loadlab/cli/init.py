"""Write a plan and a Locust file to start from, for a project of your own.

The project is loaded once, in its own Python, to learn its routes and what is installed there. No database is
connected to, and nothing is written but the two files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loadlab.cli._plan_file import add_project_arguments
from loadlab.cli._starter import LOCUSTFILE, PLAN, locustfile_text, plan_text, taken_routes
from loadlab.errors import EnvironmentFaultError, UsageError

if TYPE_CHECKING:
    import argparse

    from loadlab.model.plan import Project
    from loadlab.runner.subject import Facts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_project_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")


def execute(arguments: argparse.Namespace) -> int:
    from loadlab.servers import SERVERS

    plan, locustfile = arguments.out / PLAN, arguments.out / LOCUSTFILE
    for path in (plan, locustfile):
        if path.exists():
            raise UsageError(f"{path} is there already; name another folder with --out, or remove it.")
    project = _project(arguments)
    facts = _facts(project)
    servers = [name for name in SERVERS if set(SERVERS[name].packages) <= facts.installed.keys()]
    _write(plan, plan_text(project, servers, str(locustfile.resolve()), pooled=facts.default.pool))
    _write(locustfile, locustfile_text(facts.routes))
    print(_next(plan, locustfile, project, facts))
    return 0


def _project(arguments: argparse.Namespace) -> Project:
    from loadlab.model.plan import Project
    from loadlab.runner.manage_py import settings_of

    folder = Path(arguments.project or ".").resolve()
    settings = arguments.settings or settings_of(folder)
    if settings is None:
        raise UsageError(
            f"Which settings? No manage.py in {folder} names them: check --project, or name them with --settings, e.g."
            " --settings mysite.settings."
        )
    return Project(
        settings=settings,
        folder=str(folder),
        wsgi=arguments.wsgi or "",
        asgi=arguments.asgi or "",
        python=str(Path(arguments.python).absolute()) if arguments.python else "",
    )


def _facts(project: Project) -> Facts:
    from loadlab.model.plan import Plan
    from loadlab.processes import Register
    from loadlab.runner.subject import subject_of

    with Register.opened() as register:
        facts = subject_of(Plan(servers={}, strategies={}, project=project), register.folder).facts
    if facts is None:
        raise TypeError("a project that was named is looked into")
    return facts


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFaultError(f"{path} cannot be written: {error.strerror}.") from error


def _next(plan: Path, locustfile: Path, project: Project, facts: Facts) -> str:
    default = facts.default
    return (
        f"{plan}: the modes whose servers are installed there, at CONN_MAX_AGE 0, 60 and unlimited\n"
        f"{locustfile}: asks for {len(taken_routes(facts.routes))} of {len(facts.routes)} routes without arguments;"
        " edit it until it looks like your traffic\n"
        f"Settings: {project.settings}; {default.engine}; Django {facts.installed['django']} on Python {facts.python}\n"
        f"Next: loadlab run {plan}" + ("" if default.vendor == "postgresql" else " --embedded")
    )

"""Write a plan and a Locust file to start from, for a project of your own.

The project is loaded once, in its own Python, to learn its routes and what is installed there. No database is
connected to, and nothing is written but the two files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.cli._plan_file import add_project_arguments
from loadlab.cli._starter import (
    LOCUSTFILE,
    PLAN,
    locustfile_text,
    modes_there,
    plan_text,
    spoken_ages,
    taken_routes,
)
from loadlab.errors import EnvironmentFaultError, UsageError

if TYPE_CHECKING:
    import argparse

    from loadlab.cli._starter import Modes
    from loadlab.lab.project import Facts, Subject
    from loadlab.model.plan import Project

BY_SCRIPT: Final = (
    'What a script does to the settings as it starts is not done here: docs/how-to/own-project.md, "Settings made by'
    ' a console script", has a settings file that does it.'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_project_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")


def execute(arguments: argparse.Namespace) -> int:
    from loadlab.lab.project import scripts_there, subject_of
    from loadlab.model.plan import Plan
    from loadlab.system.processes import Register

    plan, locustfile = arguments.out / PLAN, arguments.out / LOCUSTFILE
    for path in (plan, locustfile):
        if path.exists():
            raise UsageError(f"{path} is there already; name another folder with --out, or remove it.")
    with Register.opened() as register:
        project = _project(arguments)
        subject = subject_of(Plan(servers={}, strategies={}, project=project), register.folder)
        scripts = [name for name, named in scripts_there(project).items() if named == project.settings]
    modes = modes_there(subject)
    _write(plan, plan_text(subject, project, modes, str(locustfile.resolve())))
    _write(locustfile, locustfile_text(_facts(subject).routes))
    print(_next(plan, locustfile, subject, modes))
    if scripts and not (Path(project.folder) / "manage.py").exists():
        print(f"Note: {scripts[0]} starts with these settings too. {BY_SCRIPT}")
    return 0


def _project(arguments: argparse.Namespace) -> Project:
    from loadlab.lab.manage_py import settings_of
    from loadlab.lab.project import scripts_there
    from loadlab.model.plan import Project

    folder = Path(arguments.project or ".").resolve()
    settings = arguments.settings or settings_of(folder)
    project = Project(
        settings=settings or "unknown",
        folder=str(folder),
        wsgi=arguments.wsgi or "",
        asgi=arguments.asgi or "",
        pythonpath=[str(Path(name).resolve()) for name in arguments.pythonpath or ()],
        python=str(Path(arguments.python).absolute()) if arguments.python else "",
    )
    if settings is None:
        there = scripts_there(project)
        named = "; ".join(f"{name} names {module}" for name, module in there.items())
        scripts = f"\nConsole scripts that are installed there: {named}. {BY_SCRIPT}" if there else ""
        raise UsageError(
            f"Which settings? No manage.py in {folder} names them: check --project, or name them with --settings, e.g."
            f" --settings mysite.settings.{scripts}"
        )
    return project


def _facts(subject: Subject) -> Facts:
    if subject.facts is None:
        raise TypeError("a project that was named is looked into")
    return subject.facts


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFaultError(f"{path} cannot be written: {error.strerror}.") from error


def _next(plan: Path, locustfile: Path, subject: Subject, modes: Modes) -> str:
    facts = _facts(subject)
    default = facts.default
    comments = f"; as comments: {', '.join((*modes.more, *modes.missing))}" if modes.more or modes.missing else ""
    of_routes = f"{len(taken_routes(facts.routes))} of {len(facts.routes)} routes without arguments"
    lines = [
        f"{plan}: {' and '.join(modes.first)} at CONN_MAX_AGE {spoken_ages(subject)}{comments}",
        f"{locustfile}: asks for {of_routes}; edit it until it looks like your traffic",
        f"Settings: {subject.settings}; {default.engine}; Django {facts.installed['django']} on Python {facts.python}",
        *(
            f"The {kind.upper()} application does not load; name another with --{kind}, or {kind} in [project]: {words}"
            for kind, words in facts.load_errors.items()
        ),
        f"Next: loadlab run {plan}" + ("" if default.vendor == "postgresql" else " --embedded"),
    ]
    return "\n".join(lines)

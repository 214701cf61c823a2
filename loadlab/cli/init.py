"""Write a plan and a Locust file for your own project.

loadlab loads the project once, with the project's own Python, to find its routes and packages. It connects to no
database and writes only the two files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.cli._files import write
from loadlab.cli._plan_file import add_project_arguments
from loadlab.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from loadlab.lab.inspection import ProjectInfo
    from loadlab.lab.project import Project
    from loadlab.lab.starter import Modes
    from loadlab.model.plan import ProjectOptions

OTHERWISE: Final = "Name another folder with --out."
BY_SCRIPT: Final = (
    'What a script does to the settings as it starts is not done here: docs/how-to/own-project.md, "Settings made by'
    ' a console script", has a settings file that does it.'
)


EXAMPLES: Final = (
    ("loadlab init --project ~/shop", "start from the folder with manage.py"),
    (
        "loadlab init --settings shop.settings --python .venv/bin/python",
        "name settings and Python",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_project_arguments(parser)
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="the folder to write to (default: the current one)"
    )


def execute(arguments: argparse.Namespace) -> int:
    from loadlab.lab.project import project_of, scripts_there
    from loadlab.lab.starter import LOCUSTFILE, PLAN, locustfile_text, modes_there, plan_text
    from loadlab.model.plan import Plan
    from loadlab.system.processes import Register

    plan, locustfile = arguments.out / PLAN, arguments.out / LOCUSTFILE
    for path in (plan, locustfile):
        if path.exists():
            raise UsageError(f"{path} already exists. Remove it, or name another folder with --out.")
    with Register.opened() as register:
        options = _project(arguments)
        project = project_of(Plan(servers={}, strategies={}, project=options), register.folder)
        scripts = [name for name, named in scripts_there(options).items() if named == options.settings]
    modes = modes_there(project)
    write(plan, plan_text(project, options, modes, str(locustfile.resolve())), OTHERWISE)
    write(locustfile, locustfile_text(_facts(project).routes), OTHERWISE)
    print(_next(plan, locustfile, project, modes))
    if scripts and not (Path(options.folder) / "manage.py").exists():
        print(f"Note: {scripts[0]} starts with these settings too. {BY_SCRIPT}")
    return 0


def _project(arguments: argparse.Namespace) -> ProjectOptions:
    from loadlab.lab.manage_py import settings_of
    from loadlab.lab.project import scripts_there
    from loadlab.model.plan import ProjectOptions

    folder = Path(arguments.project or ".").resolve()
    settings = arguments.settings or settings_of(folder)
    options = ProjectOptions(
        settings=settings or "unknown",
        folder=str(folder),
        wsgi=arguments.wsgi or "",
        asgi=arguments.asgi or "",
        pythonpath=[str(Path(name).resolve()) for name in arguments.pythonpath or ()],
        python=str(Path(arguments.python).absolute()) if arguments.python else "",
    )
    if settings is None:
        there = scripts_there(options)
        named = "; ".join(f"{name} names {module}" for name, module in there.items())
        scripts = f"\nConsole scripts that are installed there: {named}. {BY_SCRIPT}" if there else ""
        raise UsageError(
            f"No manage.py in {folder} names the settings. Check --project, or set --settings mysite.settings.{scripts}"
        )
    return options


def _facts(project: Project) -> ProjectInfo:
    if project.info is None:
        raise TypeError("a project that was named is looked into")
    return project.info


def _next(plan: Path, locustfile: Path, project: Project, modes: Modes) -> str:
    from loadlab.lab.starter import spoken_ages, taken_routes

    info = _facts(project)
    default = info.default
    others = [*modes.more, *modes.refused, *modes.missing]
    comments = f"; {len(others)} other server modes as comments" if others else ""
    of_routes = f"{len(taken_routes(info.routes))} of {len(info.routes)} routes without arguments"
    lines = [
        f"{plan}: {' and '.join(modes.first)} at CONN_MAX_AGE {spoken_ages(project)}{comments}",
        f"{locustfile}: requests {of_routes}; edit it until it matches your traffic",
        f"Settings: {project.settings}; {default.engine}; Django {info.installed['django']} on Python {info.python}",
        *(
            f"The {kind.upper()} application does not load: {words}. Name another with --{kind}, or {kind} in [project]"
            for kind, words in info.load_errors.items()
        ),
        f"Next: loadlab run {plan}" + ("" if default.vendor == "postgresql" else " --embedded"),
    ]
    return "\n".join(lines)

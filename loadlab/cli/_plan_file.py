"""Reads the plan that a command names, or the default one, with what the command line says in place of its own."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tomli_w

from loadlab.errors import UsageError
from loadlab.model.plan import DEFAULT_PLAN
from loadlab.planning import read_plan
from loadlab.runner.manage_py import settings_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from loadlab.planning import Experiment

WARMUP_SECONDS: Final = 2.0  # a site of some size needs longer than ours to answer as fast as it can


def add_project_arguments(parser: argparse.ArgumentParser) -> None:
    """What names a project of the user's own."""
    group = parser.add_argument_group("your own project")
    group.add_argument("--project", metavar="DIR", help="the folder that its manage.py is in")
    group.add_argument(
        "--settings", metavar="MODULE", help="its settings (default: as the environment or manage.py says)"
    )
    group.add_argument("--wsgi", metavar="MODULE:ATTRIBUTE", help="its WSGI application (default: as its settings say)")
    group.add_argument("--asgi", metavar="MODULE:ATTRIBUTE", help="its ASGI application (default: as its settings say)")
    group.add_argument("--python", metavar="PATH", help="the Python of its virtualenv (default: loadlab's own)")


def add_database_arguments(parser: argparse.ArgumentParser) -> None:
    """Where its tables are, and what may be done to them."""
    group = parser.add_argument_group("its database")
    group.add_argument("--embedded", action="store_true", help="an empty one for the run, made by its migrations")
    group.add_argument("--migrate", action="store_true", help="apply missing migrations to its own database")


def read_experiment(path: Path | None, only: Sequence[str], arguments: argparse.Namespace | None = None) -> Experiment:
    """The experiment of a plan file, or the default one.

    Raises:
        UsageError: the file cannot be read, or has faults.
    """
    text, source = (DEFAULT_PLAN, "the default plan") if path is None else (_text(path), str(path))
    said = {} if arguments is None else _said(arguments)
    if said:
        text = _laid_over(text, source, said, default=path is None)
    return read_plan(text, source, only)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"The plan {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The plan {path} is not UTF-8 text (byte {error.start}).") from error


def _said(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of the project, as a plan would; paths are made absolute, for a run may be resumed."""
    names = ("settings", "wsgi", "asgi")
    project: dict[str, Any] = {name: value for name in names if (value := getattr(arguments, name))}
    if arguments.project:
        project["folder"] = str(Path(arguments.project).resolve())
    if arguments.python:
        project["python"] = str(Path(arguments.python).absolute())  # a virtualenv's is a link, and must stay one
    if arguments.embedded:
        project["database"] = "embedded"
    if arguments.migrate:
        project["migrate"] = True
    said: dict[str, Any] = {"project": project} if project else {}
    if arguments.load_workers is not None:
        said["load_workers"] = arguments.load_workers
    if arguments.locustfile:
        said["scenarios"] = [str(Path(name).resolve()) for name in arguments.locustfile]
    return said


def _laid_over(text: str, source: str, said: dict[str, Any], *, default: bool) -> str:
    try:
        plan = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source} is not TOML: {error}.") from error
    project = {**plan.get("project", {}), **said.get("project", {})}
    if project and "settings" not in project and (known := settings_of(Path(project.get("folder", "")))):
        project["settings"] = known
    if project and default:
        plan["warmup_seconds"] = WARMUP_SECONDS
    return tomli_w.dumps({**plan, **said, **({"project": project} if project else {})})

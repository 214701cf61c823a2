"""Reads the plan that a command names, or the default one, with what the command line says in place of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import UsageError
from loadlab.model.spelling import did_you_mean
from loadlab.system.packaged import packaged

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from loadlab.plan.experiment import Experiment

PLAN_HELP: Final = "a TOML file, or a plan that loadlab brings: full, strategies, distance (default: the default plan)"
ONLY_HELP: Final = "only cases whose short name (as in the list) or id matches; repeatable"
LOAD: Final = ("expect_workers", "master_bind_host", "master_bind_port")
TABLES: Final = ("load", "project", "target")
TARGET: Final = {"url": "target", "name": "target_name", "metrics": "target_metrics", "token": "token"}
SERVED_BY_US: Final = ("servers", "strategies", "database", "control", "scenarios")  # what the default plan says of it
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
    group.add_argument(
        "--pythonpath", action="append", metavar="DIR", help="a folder with more modules of the project; repeatable"
    )
    group.add_argument("--python", metavar="PATH", help="the Python of its virtualenv (default: loadlab's own)")


def add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the load comes from."""
    group = parser.add_argument_group("where the load comes from")
    group.add_argument(
        "--load-workers",
        type=int,
        metavar="N",
        help="how many load processes of this host share it (default: 1)",
    )
    group.add_argument(
        "--expect-workers",
        type=int,
        metavar="N",
        help="or N on others: python -m loadlab.load.distributed.worker --master-host HOST",
    )
    group.add_argument("--master-bind-host", metavar="HOST", help="where they come to (default: 127.0.0.1)")
    group.add_argument("--master-bind-port", type=int, metavar="PORT", help="and its port (default: 5557)")


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """What names a target that others serve."""
    group = parser.add_argument_group("a target that is served elsewhere")
    group.add_argument("--target", metavar="URL", help="load this site as it is; nothing of it is started or changed")
    group.add_argument("--target-name", metavar="NAME", help='what its settings are called, e.g. "age 60"')
    group.add_argument("--target-metrics", metavar="URL", help="where it serves its metrics (default: URL/metrics)")
    group.add_argument("--token", metavar="env:NAME", help="the environment variable that holds the metrics' token")


def add_database_arguments(parser: argparse.ArgumentParser) -> None:
    """Where its tables are, and what may be done to them."""
    group = parser.add_argument_group("its database")
    group.add_argument("--embedded", action="store_true", help="an empty one for the run, made by its migrations")
    group.add_argument(
        "--keep-database",
        action="append",
        metavar="ALIAS",
        help="with --embedded: leave this entry of DATABASES as it is; repeatable",
    )
    group.add_argument("--migrate", action="store_true", help="apply missing migrations to its own database")


def read_experiment(path: Path | None, only: Sequence[str], arguments: argparse.Namespace | None = None) -> Experiment:
    """The experiment of a plan file, of a plan that loadlab brings, by its name, or of the default one.

    Raises:
        UsageError: the file cannot be read, or has faults.
    """
    from loadlab.model.plan import DEFAULT_PLAN
    from loadlab.plan.experiment import read_plan

    text, source = (DEFAULT_PLAN, "the default plan") if path is None else (_text(_found(path)), str(path))
    said = {} if arguments is None else _said(arguments)
    if said:
        text = _laid_over(text, source, said, default=path is None)
    return read_plan(text, source, only)


def changes_plan(arguments: argparse.Namespace) -> bool:
    """Whether the command line says something in place of the plan."""
    return bool(_said(arguments))


def plans() -> list[str]:
    """The names of the plans that loadlab brings."""
    return sorted(path.stem for path in packaged("plans").glob("*.toml"))


def _found(path: Path) -> Path:
    """The file of a plan; a bare name without a file stands for a plan of loadlab's."""
    return packaged("plans") / f"{path}.toml" if str(path) in plans() and not path.is_file() else path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        hint = " ".join(part for part in (did_you_mean(path.stem, plans()).capitalize(), _named()) if part)
        raise UsageError(f"The plan {path} cannot be read: {error.strerror}. {hint}") from error
    except OSError as error:
        raise UsageError(f"The plan {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The plan {path} is not UTF-8 text (byte {error.start}).") from error


def _named() -> str:
    return f"Name a TOML file, or a plan of loadlab's: {', '.join(plans())}."


def _said(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of the project, as a plan would; paths are made absolute, for a run may be resumed."""
    names = ("settings", "wsgi", "asgi")
    project: dict[str, Any] = {name: value for name in names if (value := getattr(arguments, name))}
    if arguments.project:
        project["folder"] = str(Path(arguments.project).resolve())
    if arguments.python:
        project["python"] = str(Path(arguments.python).absolute())  # a virtualenv's is a link, and must stay one
    if arguments.pythonpath:
        project["pythonpath"] = [str(Path(name).resolve()) for name in arguments.pythonpath]
    if arguments.keep_database:
        project["keep_databases"] = arguments.keep_database
    if arguments.embedded:
        project["database"] = "embedded"
    if arguments.migrate:
        project["migrate"] = True
    target = {key: value for key, option in TARGET.items() if (value := getattr(arguments, option))}
    said: dict[str, Any] = {key: table for key, table in (("project", project), ("target", target)) if table}
    if arguments.load_workers is not None:
        said["load_workers"] = arguments.load_workers
    load = {option: value for option in LOAD if (value := getattr(arguments, option)) is not None}
    if load:
        said["load"] = load
    if arguments.locustfile:
        said["scenarios"] = [str(Path(name).resolve()) for name in arguments.locustfile]
    return said


def _laid_over(text: str, source: str, said: dict[str, Any], *, default: bool) -> str:
    import tomli_w

    from loadlab.lab.manage_py import settings_of
    from loadlab.system.files import DamagedFileError, plain_toml

    try:
        plan = plain_toml(text)
    except DamagedFileError as error:
        raise UsageError(f"{source} is not valid TOML: {error}. Fix it and run the command again.") from error
    tables = {name: {**plan.get(name, {}), **said.get(name, {})} for name in TABLES}
    project, target = tables["project"], tables["target"]
    if project and "settings" not in project and (known := settings_of(Path(project.get("folder", "")))):
        project["settings"] = known
    if (project or target) and default:
        plan["warmup_seconds"] = WARMUP_SECONDS
    if target and default:
        plan = {key: value for key, value in plan.items() if key not in SERVED_BY_US}
    return tomli_w.dumps({**plan, **said, **{name: table for name, table in tables.items() if table}})

"""Reads the plan that a command names, or the default one, and applies the options of the command line to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import UsageError
from loadlab.model.paths import expanded
from loadlab.model.spelling import did_you_mean
from loadlab.system.packaged import packaged

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from loadlab.plan.experiment import Experiment

PLAN_HELP: Final = (
    "a TOML file, or a plan that comes with loadlab: full, strategies, servers, distance, calibration, spread (default:"
    " the default plan)"
)
ONLY_HELP: Final = "only cases whose name or id matches, as `loadlab plan` lists them; repeatable"
LOAD: Final = ("expect_workers", "master_bind_host", "master_bind_port")
TABLES: Final = ("load", "project", "target", "against")
TARGET: Final = {"url": "target", "name": "target_name", "metrics": "target_metrics", "token": "token"}
SERVED_BY_US: Final = (
    "servers",
    "strategies",
    "database",
    "control",
    "scenarios",
)  # not for an external target
WARMUP_SECONDS: Final = 2.0  # a site of some size needs longer than ours to answer as fast as it can


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """All that replace keys of the plan, but for its gates."""
    parser.add_argument(
        "--locustfile",
        action="append",
        metavar="FILE",
        help="your own Locust file instead of the plan's scenarios; repeatable",
    )
    _add_load_arguments(parser)
    add_project_arguments(parser)
    _add_against_arguments(parser)
    _add_database_arguments(parser)
    _add_target_arguments(parser)


def add_project_arguments(parser: argparse.ArgumentParser) -> None:
    """The user's own project."""
    group = parser.add_argument_group("your own project")
    group.add_argument("--project", metavar="DIR", help="the folder of its manage.py")
    group.add_argument(
        "--settings", metavar="MODULE", help="its settings module (default: from the environment or manage.py)"
    )
    group.add_argument("--wsgi", metavar="MODULE:ATTRIBUTE", help="its WSGI application (default: from its settings)")
    group.add_argument("--asgi", metavar="MODULE:ATTRIBUTE", help="its ASGI application (default: from its settings)")
    group.add_argument(
        "--pythonpath", action="append", metavar="DIR", help="another folder with modules of the project; repeatable"
    )
    group.add_argument("--python", metavar="PATH", help="the interpreter of its virtualenv (default: loadlab's own)")


def _add_against_arguments(parser: argparse.ArgumentParser) -> None:
    """The other side of a run."""
    group = parser.add_argument_group("two sides in one run")
    group.add_argument(
        "--against",
        metavar="REVISION",
        help="measure each case of this git revision of the project too, or of another folder (./DIR), block by block",
    )
    group.add_argument("--against-python", metavar="PATH", help="the interpreter of the other side")
    group.add_argument("--against-settings", metavar="MODULE", help="the settings module of the other side")


def _add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """How many load processes there are, and on which hosts."""
    group = parser.add_argument_group("load processes")
    group.add_argument(
        "--load-workers",
        type=int,
        metavar="N",
        help="load processes on this host (default: 1)",
    )
    group.add_argument(
        "--expect-workers",
        type=int,
        metavar="N",
        help="load processes on other hosts, each started with python -m loadlab.load.distributed.worker",
    )
    group.add_argument(
        "--master-bind-host", metavar="HOST", help="the address on which this host waits for them (default: 127.0.0.1)"
    )
    group.add_argument(
        "--master-bind-port",
        type=int,
        metavar="PORT",
        help="the port on which this host waits for them (default: 5557)",
    )


def _add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """A site that loadlab does not serve itself."""
    group = parser.add_argument_group("an external target")
    group.add_argument(
        "--target", metavar="URL", help="load this site as it is; loadlab starts and changes nothing there"
    )
    group.add_argument("--target-name", metavar="NAME", help='a name for its settings, such as "age 60"')
    group.add_argument("--target-metrics", metavar="URL", help="the address of its metrics (default: URL/metrics)")
    group.add_argument("--token", metavar="env:NAME", help="the environment variable with the token of its metrics")


def _add_database_arguments(parser: argparse.ArgumentParser) -> None:
    """The project's database, and what loadlab may do to it."""
    group = parser.add_argument_group("the database of your project")
    group.add_argument(
        "--embedded", action="store_true", help="use an empty database for the run, created by the migrations"
    )
    group.add_argument(
        "--keep-database",
        action="append",
        metavar="ALIAS",
        help="with --embedded: keep this entry of DATABASES as it is; repeatable",
    )
    group.add_argument("--migrate", action="store_true", help="apply missing migrations to its own database")


def read_experiment(path: Path | None, only: Sequence[str], arguments: argparse.Namespace | None = None) -> Experiment:
    """The experiment of a plan file, of a plan that loadlab brings, by its name, or of the default one.

    Raises:
        UsageError: the file cannot be read, or has faults.
    """
    from loadlab.model.plan import DEFAULT_PLAN
    from loadlab.plan.experiment import read_plan
    from loadlab.plan.gates import gates_on

    text, source = (DEFAULT_PLAN, "the default plan") if path is None else (_text(_found(path)), str(path))
    options = {} if arguments is None else _plan_options(arguments)
    if options:
        text = _with_options(text, source, options, default=path is None)
    experiment = read_plan(text, source, only)
    if only and arguments is not None and arguments.gate:
        gates_on(experiment.plan, arguments.gate, experiment.cases)  # a gate of this very command is to be asked
    return experiment


def changes_plan(arguments: argparse.Namespace) -> bool:
    """Whether an option of the command line replaces a key of the plan."""
    return bool(_plan_options(arguments))


def plans() -> list[str]:
    """The names of the plans that loadlab brings."""
    return sorted(path.stem for path in packaged("plans").glob("*.toml"))


def _found(path: Path) -> Path:
    """The file of a plan; a bare name without a file is a plan that comes with loadlab."""
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


def _plan_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that replace keys of the plan; paths become absolute, because a run can be resumed elsewhere."""
    project = _project_options(arguments)
    target = {key: value for key, option in TARGET.items() if (value := getattr(arguments, option))}
    tables = (("project", project), ("target", target), ("against", _against(arguments)))
    said: dict[str, Any] = {key: table for key, table in tables if table}
    if arguments.load_workers is not None:
        said["load_workers"] = arguments.load_workers
    load = {option: value for option in LOAD if (value := getattr(arguments, option)) is not None}
    if load:
        said["load"] = load
    if arguments.locustfile:
        said["scenarios"] = [str(Path(name).resolve()) for name in arguments.locustfile]
    if arguments.gate:
        said["gates"] = _gates(arguments.gate)
    return said


def _project_options(arguments: argparse.Namespace) -> dict[str, Any]:
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
    return project


def _gates(expressions: Sequence[str]) -> dict[str, list[str]]:
    """As a plan has them, by their globs."""
    from loadlab.plan.gates import globbed, read_gates

    read_gates(expressions)  # told of the option, and not of a table that is in no file
    found: dict[str, list[str]] = {}
    for glob, expression in map(globbed, expressions):
        found.setdefault(glob, []).append(expression)
    return found


def _both(gates: Mapping[str, Any], more: Mapping[str, list[str]]) -> dict[str, Any]:
    """The gates of a plan, and those of the command line after them."""
    found = dict(gates)
    for glob, expressions in more.items():
        known = found.get(glob, [])
        found[glob] = [*([known] if isinstance(known, str) else known), *expressions]
    return found


def _against(arguments: argparse.Namespace) -> dict[str, Any]:
    """The other side; of `--against`, only the plan's project can tell whether it is a revision."""
    said: dict[str, Any] = {}
    if arguments.against:
        said["revision"] = arguments.against
    if arguments.against_python:
        said["python"] = str(Path(arguments.against_python).absolute())
    if arguments.against_settings:
        said["settings"] = arguments.against_settings
    return said


def _pinned(against: dict[str, Any], folder: Path) -> dict[str, Any]:
    """With a revision as the commit that it is now, so that a run is resumed with the same; or as a folder.

    What is no revision stays as it is: it is told with all that keeps the sides from being measured.
    """
    from loadlab.lab.checkout import commit_of

    said = against.get("revision", "")
    if said.startswith((".", "~", "/")):
        return {**_without(against, "revision"), "folder": str(expanded(said).resolve())}
    try:
        return {"name": said, **against, "revision": commit_of(folder, said)} if said else against
    except UsageError:
        return against


def _without(table: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != key}


def _with_options(text: str, source: str, said: dict[str, Any], *, default: bool) -> str:
    import tomli_w

    from loadlab.lab.manage_py import settings_of
    from loadlab.plan.parse import toml_data

    plan = toml_data(text, source)
    tables = {name: {**plan.get(name, {}), **said.get(name, {})} for name in TABLES}
    tables["gates"] = _both(plan.get("gates", {}), said.get("gates", {}))
    project, target = tables["project"], tables["target"]
    if project and "settings" not in project and (known := settings_of(expanded(project.get("folder", "")))):
        project["settings"] = known
    if tables["against"] and project:
        tables["against"] = _pinned(tables["against"], expanded(project.get("folder", ".")))
    if (project or target) and default:
        plan["warmup_seconds"] = WARMUP_SECONDS
    if target and default:
        plan = {key: value for key, value in plan.items() if key not in SERVED_BY_US}
    return tomli_w.dumps({**plan, **said, **{name: table for name, table in tables.items() if table}})

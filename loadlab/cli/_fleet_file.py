"""Reads the fleet that a command names, and applies the options of the command line to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadlab.cli._members import parsed, value
from loadlab.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from loadlab.fleet.fleet_file import Fleet

MEASURED: Final = ("run", "watch")
NUMBERS: Final = ("hosts", "hours", "repeats", "seed")
PARAMETERS: Final = ("workers", "threads")
LIMITS: Final = ("max_connections", "reserved")
STDIN: Final = "-"
EXAMPLE: Final = """\
# A fleet: what CONN_MAX_AGE does over hours on many hosts. `loadlab fleet fleet.toml` answers.
hosts = 20
hours = 24
run = "runs/20261128-140000"       # where loadlab measured the application; or watch = "watch.json"

[server.gthread]                   # one server mode, on each host
workers = 4
threads = 4

[strategies.max_age]               # what is compared; lists are swept
max_age = [0, 60, 600, "none"]

# [strategies.pgbouncer]
# pool_size = 20

[traffic.day]                      # requests per second of the whole fleet that use the database
mean_rate = 300
peak_hour = 15
trough_hour = 4

[database]
max_connections = 500
reserved = 10                      # for superusers, migrations, monitoring, other projects

[[events.rolling_deployment]]
at_seconds = 36000
hosts_at_once = 2

[events.database_restart]
at_seconds = 54000
down_seconds = 5

# Without a run or a watch, estimates do; remove `run` above then.
# [application]
# connect_ms = 4
# hold_ms = [5, 8, 30]             # one value, or equally likely ones
"""


def add_fleet_arguments(parser: argparse.ArgumentParser) -> None:
    """What a fleet's file says, too."""
    group = parser.add_argument_group("keys of the file, or instead of it")
    group.add_argument("--hosts", type=int, metavar="N", help="how many hosts serve")
    group.add_argument("--hours", type=float, metavar="N", help="for how many hours")
    group.add_argument(
        "--server", metavar="MODE", help="the server mode of each host, with parameters; such as gthread,workers=4"
    )
    group.add_argument("--workers", type=int, metavar="N", help="its parameter workers")
    group.add_argument("--threads", type=int, metavar="N", help="its parameter threads")
    group.add_argument(
        "--max-age",
        action="append",
        metavar="SECONDS",
        help='a CONN_MAX_AGE to compare, or "none" for unlimited; repeatable',
    )
    group.add_argument(
        "--strategy",
        action="append",
        metavar="STRATEGY",
        help="a strategy to compare, with parameters; such as pool,max_size=8; repeatable",
    )
    traffic = group.add_mutually_exclusive_group()
    traffic.add_argument("--rate", type=float, metavar="N", help="constant requests per second of the whole fleet")
    traffic.add_argument(
        "--access-log", action="append", metavar="FILE", help="the requests of a real access log; repeatable"
    )
    group.add_argument("--max-connections", type=int, metavar="N", help="PostgreSQL's limit")
    group.add_argument("--reserved", type=int, metavar="N", help="how many of them are not for this fleet")
    group.add_argument(
        "--repeats", type=int, metavar="N", help="how often it is simulated (default: 10, or 4 where one takes long)"
    )
    group.add_argument("--seed", type=int, metavar="N", help="where its random numbers begin")
    one = group.add_mutually_exclusive_group()
    one.add_argument("--run", metavar="DIR", help="the run folder that measured the application")
    one.add_argument("--watch", metavar="FILE", help="what `loadlab watch --json` said of the application")


def read_fleet_of(arguments: argparse.Namespace) -> Fleet:
    """The fleet of a file, of options, or of a file with options in place of some of its keys.

    Raises:
        UsageError: the file cannot be read, or the fleet has problems.
    """
    from loadlab.fleet.fleet_file import read_fleet

    path: Path | None = arguments.fleet
    text, source, folder = ("", "The fleet", Path()) if path is None else (_text(path), str(path), path.parent)
    said = _said(arguments)
    if path is None and not said:
        raise UsageError("Name a file, or describe the fleet with options. `loadlab fleet --example` prints a file.")
    if said:
        import tomli_w

        from loadlab.plan.parse import toml_data

        text = tomli_w.dumps(_with(toml_data(text, source), said))
    return read_fleet(text, source, folder)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except IsADirectoryError as error:
        raise UsageError(
            f"{path} is a folder. Name a run folder with --run, and a file that describes the fleet."
        ) from error
    except OSError as error:
        raise UsageError(
            f"The fleet {path} cannot be read: {error.strerror}. `loadlab fleet --example` prints one to start from."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The fleet {path} is not UTF-8 text (byte {error.start}).") from error


def _said(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keys that options replace; their paths do not depend on where the file is."""
    said: dict[str, Any] = {name: value for name in NUMBERS if (value := getattr(arguments, name)) is not None}
    said |= {name: str(Path(value).resolve()) for name in MEASURED if (value := getattr(arguments, name))}
    if arguments.server:
        name, parameters = parsed(arguments.server, "--server")
        said["server"] = {name: parameters}
    if strategies := _strategies(arguments):
        said["strategies"] = strategies
    if arguments.rate is not None:
        said["traffic"] = {"constant": {"rate": arguments.rate}}
    if arguments.access_log:
        said["traffic"] = {"access_log": {"files": [_absolute(name) for name in arguments.access_log]}}
    tables = {"of_server": PARAMETERS, "database": LIMITS}
    for table, names in tables.items():
        if given := {name: value for name in names if (value := getattr(arguments, name)) is not None}:
            said[table] = given
    return said


def _strategies(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The strategies to compare: all values that are given of a parameter are swept."""
    compared = [("max_age", {"max_age": value(age)}) for age in arguments.max_age or ()]
    compared += [parsed(text, "--strategy") for text in arguments.strategy or ()]
    swept: dict[str, dict[str, list[Any]]] = {}
    for name, parameters in compared:
        of_name = swept.setdefault(name, {})
        for key, one in parameters.items():
            of_name[key] = list(dict.fromkeys([*of_name.get(key, ()), one]))
    return swept


def _absolute(name: str) -> str:
    return name if name == STDIN else str(Path(name).absolute())


def _with(data: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """The keys of the file with those that were said; the application comes from one place alone."""
    if set(MEASURED) & said.keys():
        data = {key: value for key, value in data.items() if key not in {*MEASURED, "application"}}
    if "hours" in said:
        data.pop("seconds", None)
    parameters, limits = said.pop("of_server", {}), said.pop("database", {})
    made = {**data, **said}
    if isinstance(servers := made.get("server"), dict) and parameters:
        made["server"] = {name: _changed(given, parameters) for name, given in servers.items()}
    if limits:
        made["database"] = _changed(made.get("database", {}), limits)
    return made


def _changed(table: object, changes: dict[str, Any]) -> object:
    """A table with some of its keys changed; what is no table stays as it is, for the fleet to refuse."""
    return {**table, **changes} if isinstance(table, dict) else table

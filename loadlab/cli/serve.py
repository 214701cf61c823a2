"""Serve loadlab's sample app in one server mode, to read its metrics or to load it yourself."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.cli._members import parsed, value
from loadlab.cli._port import port
from loadlab.cli._screen import Screen, add_screen_arguments
from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.model.drivers import DRIVERS
from loadlab.model.strategy import USUAL_SERVER
from loadlab.registry import member_names
from loadlab.system.packaged import packaged

if TYPE_CHECKING:
    import argparse

    from loadlab.lab.application import ServedApplication
    from loadlab.model.config import Config, Scalar
    from loadlab.model.plan import Plan

DEFAULT_PORT: Final = 8000


EXAMPLES: Final = (
    (
        "loadlab serve --server gthread,workers=2,threads=8 --max-age 60",
        "serve 2 workers of 8 threads",
    ),
    ("loadlab serve --server asgi --strategy pool,max_size=8 --driver psycopg", "serve ASGI with a connection pool"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_mode_arguments(parser)
    parser.add_argument(
        "--port",
        type=port,
        default=DEFAULT_PORT,
        help=f"the port on 127.0.0.1 (default: {DEFAULT_PORT}; 0: any free one)",
    )
    _add_database_arguments(parser)
    add_screen_arguments(parser, progress=True)


def _add_mode_arguments(parser: argparse.ArgumentParser) -> None:
    """How the site is served, and how its connections live."""
    parser.add_argument(
        "--server",
        default=USUAL_SERVER,
        metavar="MODE",
        help=f"the server mode, with parameters: {', '.join(member_names('loadlab.servers'))}; such as"
        f" gthread,workers=2,threads=8 (default: {USUAL_SERVER})",
    )
    parser.add_argument(
        "--max-age",
        default="0",
        metavar="SECONDS",
        help='CONN_MAX_AGE in seconds, or "none" for unlimited (default: 0)',
    )
    parser.add_argument("--conn-health-checks", action="store_true", help="set CONN_HEALTH_CHECKS = True")
    parser.add_argument(
        "--strategy",
        metavar="STRATEGY",
        help=f"the strategy instead of --max-age, with parameters: {', '.join(member_names('loadlab.strategies'))};"
        " such as pool,max_size=8",
    )
    parser.add_argument(
        "--round-trip-ms",
        type=float,
        default=0.0,
        metavar="MS",
        help="add this latency to each round trip to the database (default: 0)",
    )
    parser.add_argument(
        "--driver",
        choices=list(DRIVERS),
        default=next(iter(DRIVERS)),
        help=f"the database driver (default: {next(iter(DRIVERS))})",
    )


def _add_database_arguments(parser: argparse.ArgumentParser) -> None:
    """Which PostgreSQL the site uses."""
    parser.add_argument(
        "--max-connections",
        type=int,
        default=100,
        metavar="N",
        help="max_connections of the embedded PostgreSQL (default: 100)",
    )
    parser.add_argument("--dsn", metavar="REF", help="use your own PostgreSQL: env:NAME or service=NAME")
    parser.add_argument("--allow-remote", action="store_true", help="allow --dsn to name another host")


def execute(arguments: argparse.Namespace) -> int:
    from loadlab.cli._progress import display
    from loadlab.faults.added_latency import AddedLatency
    from loadlab.lab.opening import open_lab
    from loadlab.lab.preflight import missing_for, require_installed
    from loadlab.lab.served_site import boot_site
    from loadlab.services.external_database import Reference, require_reference
    from loadlab.system.ports import require_free
    from loadlab.system.processes import withhold

    server, strategy = _configs(arguments)
    require_installed(missing_for(server, strategy, arguments.driver))
    require_free(arguments.port)
    plan = _plan(arguments)
    withhold(arguments.dsn)
    dsn = Reference(arguments.dsn, allow_remote=arguments.allow_remote)
    require_reference(dsn)
    latency = [AddedLatency(round_trip_ms=arguments.round_trip_ms)] if arguments.round_trip_ms else []
    with display(Screen.of(arguments)) as listener, open_lab(plan, dsn, None, listener) as lab:
        listener.preparing(f"{server} boots")
        with boot_site(
            lab,
            server,
            strategy,
            project=lab.project,
            ledgers=lab.scratch / "ledgers",
            log=lab.logs / "server.log",
            faults=latency,
            port=arguments.port,
        ) as booting:
            application = booting.ready().application
            listener.close()
            print(_welcome(application, f"{server} / {strategy}"), flush=True)
            return _watch(application)


def _configs(arguments: argparse.Namespace) -> tuple[Config, Config]:
    """The server mode and the strategy, which work together."""
    from loadlab.plan.members import config_of
    from loadlab.servers import SERVERS

    server = config_of(SERVERS, *parsed(arguments.server, "--server"), "--server")
    strategy = _strategy(arguments)
    _require_fit(server, strategy, arguments.driver)
    return server, strategy


def _plan(arguments: argparse.Namespace) -> Plan:
    from loadlab.model.plan import FEWEST_CONNECTIONS, MOST_CONNECTIONS, DatabaseOptions, Plan

    most = arguments.max_connections
    if not FEWEST_CONNECTIONS <= most <= MOST_CONNECTIONS:
        raise UsageError(f"--max-connections must be from {FEWEST_CONNECTIONS} to {MOST_CONNECTIONS}, not {most}.")
    return Plan(servers={}, strategies={}, driver=arguments.driver, database=DatabaseOptions(max_connections=most))


def _strategy(arguments: argparse.Namespace) -> Config:
    from loadlab.plan.members import config_of
    from loadlab.strategies import STRATEGIES

    if arguments.strategy:
        return config_of(STRATEGIES, *parsed(arguments.strategy, "--strategy"), "--strategy")
    age: dict[str, Scalar] = {"max_age": value(arguments.max_age), "conn_health_checks": arguments.conn_health_checks}
    return config_of(STRATEGIES, "max_age", age, "--max-age")


def _require_fit(server: Config, strategy: Config, driver: str) -> None:
    from loadlab.plan.members import build_server, build_strategy, server_traits

    if (refused := build_server(server).incompatible(driver)) is not None:
        parameter, what, remedy = refused
        raise UsageError(f"--server {server.name} {parameter}: {what} ({remedy}).")
    built = build_strategy(strategy)
    why = built.incompatible(server_traits(server, driver))
    if why is not None:
        fitting = [one for one in DRIVERS if built.incompatible(server_traits(server, one)) is None]
        hint = f" (here: --driver {fitting[0]})" if fitting else ""
        raise UsageError(f"{strategy.name} in {server.name}: {why}{hint}.")


def _welcome(application: ServedApplication, what: str) -> str:
    return (
        f"{what}\n"
        f"  site     {application.url}/\n"
        f"  metrics  {application.url}/metrics\n"
        f"  load     locust -f {shlex.quote(_scenario())} --host {application.url} --target-metrics"
        f" {application.url}/metrics --client-keep-alive off\n"
        "Ctrl-C stops it."
    )


def _scenario() -> str:
    """A scenario's file, in as few words as lead to it from here."""
    path = packaged("locustfiles") / "read_one.py"
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _watch(application: ServedApplication) -> int:
    """Wait for the user to stop us; a server that ends by itself is a fault."""
    while application.program.running():
        time.sleep(0.2)
    raise EnvironmentFaultError(f"The server ended unexpectedly. Its log ends:\n{application.program.log_tail()}")

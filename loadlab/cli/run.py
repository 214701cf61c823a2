"""Measure a plan and say which CONN_MAX_AGE is right.

Without PLAN, the built-in default is measured: threaded, sync and gevent at CONN_MAX_AGE 0, 60 and unlimited, in
less than six minutes. Everything that was measured is kept in the run folder, whatever happens.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from loadlab.cli._plan_file import (
    add_database_arguments,
    add_load_arguments,
    add_project_arguments,
    add_target_arguments,
    read_experiment,
)
from loadlab.cli._progress import display
from loadlab.cli._results import judge, report_on
from loadlab.cli._scraping import add_scraping_arguments, scraping
from loadlab.cli.live import add_live_argument, page_beside
from loadlab.errors import LabError, UsageError
from loadlab.planning import read_plan
from loadlab.runner.run import begin, resume
from loadlab.services.given import Reference
from loadlab.store import RunFolder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from loadlab.runner.run import Listener

    InStep = Callable[[Listener], Listener]
    Measure = Callable[[InStep], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", nargs="?", type=Path, metavar="PLAN", help="a TOML file; without it, the default plan")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run folder (default: runs/<date and time>)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="GLOB", help="only cases whose id matches; repeatable"
    )
    parser.add_argument("--resume", type=Path, metavar="DIR", help="make the trials that an earlier run has not made")
    parser.add_argument(
        "--dsn",
        metavar="REF",
        help="a database of yours: env:NAME or service=NAME; the lab's site makes its tables in it",
    )
    parser.add_argument(
        "--allow-remote", action="store_true", help="let database, target and --remote-write be on other hosts"
    )
    parser.add_argument(
        "--locustfile",
        action="append",
        metavar="FILE",
        help="a Locust file of your own, in place of the plan's scenarios",
    )
    add_load_arguments(parser)
    add_project_arguments(parser)
    add_database_arguments(parser)
    add_target_arguments(parser)
    add_live_argument(parser)
    add_scraping_arguments(parser)
    parser.add_argument("--require-verdict", action="store_true", help="exit with 11 when a verdict is inconclusive")


def execute(arguments: argparse.Namespace) -> int:
    measure, path = _continued(arguments) if arguments.resume else _begun(arguments)
    with page_beside(arguments.live, path) as page:
        try:
            with scraping(arguments, path, page) as in_step:
                measure(in_step)
        except LabError as error:
            # Stopped or broken off: what was measured is still worth a report, if there is any.
            if not isinstance(error, UsageError) and any((path / "trials").glob("*.json")):
                report_on(path)
            raise
        return judge(report_on(path), path, require_verdict=arguments.require_verdict)


def _begun(arguments: argparse.Namespace) -> tuple[Measure, Path]:
    experiment = read_experiment(arguments.plan, arguments.only, arguments)
    path = arguments.out or Path("runs") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")

    def measure(in_step: InStep) -> None:
        with display(experiment.trial_seconds) as shown:
            listener = in_step(shown)
            for misfit in experiment.left_out:
                listener.notice(f"left out: {misfit}")
            begin(path, experiment, _dsn(arguments), listener)

    return measure, path


def _continued(arguments: argparse.Namespace) -> tuple[Measure, Path]:
    planned = (arguments.plan, arguments.out, arguments.only, arguments.project, arguments.settings, arguments.target)
    modules = (arguments.pythonpath, arguments.keep_database)
    load = (arguments.load_workers, arguments.expect_workers, arguments.master_bind_host, arguments.master_bind_port)
    if any((*planned, *modules)) or any(value is not None for value in load):
        raise UsageError(
            "--resume goes on with a run as it was planned: leave out PLAN, --out and --only, --load-workers,"
            " --expect-workers and where they come to, and the project or target."
        )
    folder = RunFolder.at(arguments.resume)
    experiment = read_plan(folder.plan(), str(folder.path / "plan.toml"))

    def measure(in_step: InStep) -> None:
        with display(experiment.trial_seconds) as shown:
            resume(folder, experiment.plan, _dsn(arguments), in_step(shown))

    return measure, folder.path


def _dsn(arguments: argparse.Namespace) -> Reference:
    if arguments.dsn and arguments.embedded:
        raise UsageError("--embedded and --dsn each name a database to measure on: leave one of them out.")
    return Reference(arguments.dsn, allow_remote=arguments.allow_remote)

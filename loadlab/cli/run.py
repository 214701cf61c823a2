"""Measure a plan and recommend a CONN_MAX_AGE for each server mode.

Without PLAN, the default plan is measured: threaded, sync and gevent at CONN_MAX_AGE 0, 60 and unlimited, in about
two minutes. The run folder keeps every trial, also when the run is stopped.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.cli._gates import add_gate_arguments
from loadlab.cli._plan_file import (
    ONLY_HELP,
    PLAN_HELP,
    add_plan_options,
    changes_plan,
    read_experiment,
)
from loadlab.cli._results import add_json_argument, judge, report_on
from loadlab.cli._scraping import add_scraping_arguments, scraping
from loadlab.cli._screen import Screen, add_screen_arguments
from loadlab.cli.live import ANY_PORT, add_live_argument, page_beside, stays_on
from loadlab.errors import EnvironmentFaultError, IncompleteError, LabError, StoppedError, UsageError
from loadlab.model.labels import short_names
from loadlab.store.layout import PLAN, SCHEDULE, has_trials

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from loadlab.lab.opening import Listener
    from loadlab.model.session import Continuation
    from loadlab.plan.experiment import Experiment
    from loadlab.services.external_database import Reference

    InStep = Callable[[Listener], Listener]
    Measure = Callable[[InStep], None]

# Options that a resumed run needs again, because its plan does not have them.
SWITCHES: Final = ("allow_remote", "prometheus", "require_verdict")
VALUES: Final = ("dsn", "remote_write")


EXAMPLES: Final = (
    ("loadlab run", "measure the default plan"),
    ("loadlab run loadlab.toml --live", "measure a plan of your own and show it in a browser"),
    ("loadlab run strategies --only 'sync*'", "measure the server mode sync of a plan that comes with loadlab"),
    ("loadlab run --gate 'leaks == 0' --gate 'p95 < 50 ms'", "exit with 10 if a case leaks or is slow"),
    ("loadlab run --project . --against main", "compare your project with a git revision of it, in one run"),
    ("loadlab run --resume runs/20261128-140000", "run the missing trials of a stopped run"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", nargs="?", type=Path, metavar="PLAN", help=PLAN_HELP)
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run folder (default: runs/DATE-TIME)")
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help=ONLY_HELP)
    parser.add_argument(
        "--fixed", action="store_true", help="measure every case in every block, even if it is decided earlier"
    )
    parser.add_argument("--resume", type=Path, metavar="DIR", help="run the missing trials of this run folder")
    parser.add_argument(
        "--dsn",
        metavar="REF",
        help="measure on your own PostgreSQL: env:NAME or service=NAME; loadlab's sample app creates its tables there",
    )
    parser.add_argument(
        "--allow-remote", action="store_true", help="allow a database, target or --remote-write on another host"
    )
    add_plan_options(parser)
    add_live_argument(parser)
    add_scraping_arguments(parser)
    parser.add_argument("--require-verdict", action="store_true", help="exit with 11 if a verdict is inconclusive")
    add_json_argument(parser)
    add_gate_arguments(parser)
    add_screen_arguments(parser, progress=True)


def execute(arguments: argparse.Namespace) -> int:
    try:
        return _executed(arguments)
    except BrokenPipeError as error:  # of the progress: the reader of the verdict may go
        raise IncompleteError(
            "The reader of the progress has gone. Run again with --quiet, or --resume DIR."
        ) from error


def _executed(arguments: argparse.Namespace) -> int:
    from loadlab.system.processes import withhold

    withhold(arguments.dsn, arguments.token, arguments.remote_write)
    dsn = _dsn(arguments)
    measure, path = _continued(arguments, dsn) if arguments.resume else _begun(arguments, dsn)
    try:
        with page_beside(arguments.live, path) as page:
            return stays_on(page, path, lambda: _measured(measure, path, page, arguments))
    except StoppedError as error:
        _add_next_step(error, path, arguments)
        raise


def _measured(measure: Measure, path: Path, page: str | None, arguments: argparse.Namespace) -> int:
    screen = Screen.of(arguments)
    try:
        with scraping(arguments, path, page) as in_step:
            measure(in_step)
    except LabError as error:
        # Stopped or broken off: what was measured is still worth a report, if there is any.
        if not isinstance(error, UsageError):
            if has_trials(path):
                with suppress(EnvironmentFaultError):  # a full disk takes no report either
                    report_on(path, screen, arguments)
            _add_next_step(error, path, arguments)
        raise
    findings = report_on(path, screen, arguments)
    return judge(findings, path, require_verdict=arguments.require_verdict)


def _add_next_step(error: LabError, path: Path, arguments: argparse.Namespace) -> None:
    """What the last line says after a run that did not come to its end, unless the error says it already."""
    if hasattr(error, "__notes__"):
        return
    if (path / SCHEDULE).exists():
        error.add_note(f"Continue with: {_continuation(arguments).command(path)}")
    elif isinstance(error, StoppedError):
        error.add_note("Nothing was measured.")
    else:
        error.add_note("Nothing was measured. Fix this, then run the same command again.")


def _continuation(arguments: argparse.Namespace) -> Continuation:
    """What the command line said that no plan keeps; passwords are never on it."""
    from loadlab.model.session import PARAMETERS, Continuation

    options = [f"--{name.replace('_', '-')}" for name in SWITCHES if getattr(arguments, name)]
    for name in VALUES:
        if (value := getattr(arguments, name)) is not None:
            options += [f"--{name.replace('_', '-')}", str(value)]
    if arguments.live is not None:
        options += ["--live"] if arguments.live == ANY_PORT else ["--live", str(arguments.live)]
    variables = {name: value for name, value in sorted(os.environ.items()) if name.startswith(PARAMETERS)}
    return Continuation(options=tuple(options), variables=variables)


def _begun(arguments: argparse.Namespace, dsn: Reference) -> tuple[Measure, Path]:
    experiment = read_experiment(arguments.plan, arguments.only, arguments)
    path = arguments.out or Path("runs") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    screen = Screen.of(arguments)
    # Before what measures is imported, which takes a second.
    screen.say(_amount(experiment))

    def measure(in_step: InStep) -> None:
        from loadlab.analysis.departures import Departures
        from loadlab.cli._progress import display
        from loadlab.lab.run import begin, create

        continuation = _continuation(arguments)
        folder = create(path, experiment, continuation, fixed=arguments.fixed)
        screen.say(f"Run folder: {path}. Ctrl-C stops the run and keeps what was measured.")
        with display(screen, experiment.trial_seconds, short_names(experiment.cases)) as shown:
            listener = in_step(shown)
            for pair in experiment.left_out:
                listener.notice(f"left out: {pair}")
            leaving = Departures(experiment.plan).after
            begin(folder, experiment.plan, dsn, listener, continuation=continuation, leaving=leaving)

    return measure, path


def _amount(experiment: Experiment) -> str:
    from loadlab.report.numbers import minutes, plural

    return f"at most {plural(experiment.trials, 'trial')}, about {minutes(experiment.expected_seconds)}"


def _continued(arguments: argparse.Namespace, dsn: Reference) -> tuple[Measure, Path]:
    from loadlab.plan.experiment import read_plan
    from loadlab.store.damage import require_same_plan
    from loadlab.store.folder import RunFolder

    if arguments.plan or arguments.out or arguments.only or arguments.fixed or changes_plan(arguments):
        raise UsageError(
            "--resume continues a run as it was planned. Remove PLAN, --out, --only, --fixed, --load-workers,"
            " --expect-workers, --gate, and every option for project and target. The gates of its plan hold;"
            " `loadlab report DIR --gate EXPR` asks for more."
        )
    folder = RunFolder.at(arguments.resume)
    require_same_plan(folder)
    experiment = read_plan(folder.plan(), str(folder.path / PLAN))

    def measure(in_step: InStep) -> None:
        from loadlab.analysis.departures import Departures
        from loadlab.cli._progress import display
        from loadlab.lab.run import resume

        names = short_names(folder.schedule().cases)
        with display(Screen.of(arguments), experiment.trial_seconds, names) as shown:
            leaving = Departures(experiment.plan).after  # a run that was begun as fixed stays so
            how = _continuation(arguments)
            resume(folder, experiment.plan, dsn, in_step(shown), continuation=how, leaving=leaving)

    return measure, folder.path


def _dsn(arguments: argparse.Namespace) -> Reference:
    from loadlab.services.external_database import Reference, require_reference

    if arguments.dsn and arguments.embedded:
        raise UsageError("--embedded and --dsn both name a database. Remove one of them.")
    dsn = Reference(arguments.dsn, allow_remote=arguments.allow_remote)
    require_reference(dsn)
    return dsn

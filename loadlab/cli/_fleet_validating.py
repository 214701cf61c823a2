"""`loadlab fleet --validate`: calibrates, predicts, runs small fleets, and says how often the model was right."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Final

import msgspec

from loadlab.cli._files import make_folder, write
from loadlab.cli._progress import display
from loadlab.cli._screen import Screen
from loadlab.errors import EnvironmentFaultError, GateError, StoppedError, UsageError
from loadlab.fleet.validation.comparison import missed
from loadlab.fleet.validation.configurations import configurations
from loadlab.fleet.validation.record import read_validation
from loadlab.fleet.validation.summary import compared, share
from loadlab.lab.fleets.calibrating import calibrate, deployments, with_deployments
from loadlab.lab.fleets.lanes import lanes
from loadlab.lab.fleets.validating import PREDICTIONS, RECORD, Known, Validating, installed_servers, predicted
from loadlab.model.fleet import Application
from loadlab.model.fleet_validation import JUDGED
from loadlab.report import numbers
from loadlab.report.fleet_validation import FIGURES, fleet_validation_page, verdict
from loadlab.report.labels import short
from loadlab.store.layout import LOGS
from loadlab.system.ending import reader_may_go
from loadlab.system.processes import Register

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from loadlab.lab.fleets.lanes import Lanes
    from loadlab.model.fleet_validation import Configuration, Validation, ValidationTrial

SEED: Final = 1000  # those below are for trying things out
OVERHEAD_SECONDS: Final = 7.0  # of a trial: its servers boot and end
CALIBRATION_SECONDS: Final = 35.0  # of a server mode
TRIAL_SECONDS: Final = 15.0  # of a calibration
PAGE: Final = "validation.md"
CALIBRATION: Final = "calibration.json"
ELSEWHERE: Final = "Name another folder with --out."
GATED: Final = 20  # trials; fewer say too little for an exit code


def execute(arguments: argparse.Namespace) -> int:
    if arguments.record:
        return _published(_read(arguments.record), arguments)
    _require_bounds(arguments)
    servers = installed_servers([arguments.server] if arguments.server else [])
    seed = SEED if arguments.seed is None else arguments.seed
    drawn = configurations(seed, arguments.trials, servers)
    folder = arguments.out or Path("validations") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    _require_new(folder)
    Screen.of(arguments).say(_amount(drawn, arguments))
    try:
        validation = _validated(drawn, folder, arguments)
    except StoppedError as error:
        if (folder / RECORD).exists():
            error.add_note(f"What was measured is in {folder / RECORD}.")
        raise
    return _published(validation, arguments)


def _require_bounds(arguments: argparse.Namespace) -> None:
    for name in ("trials", "lanes"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name} must be 1 or more, not {getattr(arguments, name)}.")
    if arguments.seed is not None and arguments.seed < 0:
        raise UsageError(f"--seed must be 0 or more, not {arguments.seed}.")


def _require_new(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is in use. Name a new folder with --out.")


def _amount(drawn: Sequence[Configuration], arguments: argparse.Namespace) -> str:
    """What is about to be done, and how long it takes."""
    modes = 0 if arguments.calibration else len({one.server.name for one in drawn})
    seconds = sum(one.seconds + OVERHEAD_SECONDS for one in drawn) / arguments.lanes + modes * CALIBRATION_SECONDS
    calibrated = f", after a calibration of {numbers.plural(modes, 'server mode')}" if modes else ""
    return f"{numbers.plural(len(drawn), 'trial')}{calibrated}: about {numbers.minutes(seconds)}"


def _validated(drawn: Sequence[Configuration], folder: Path, arguments: argparse.Namespace) -> Validation:
    servers = sorted({one.server.name for one in drawn})
    make_folder(folder, ELSEWHERE)
    applications = _calibrated(servers, folder, arguments)
    with _lanes(folder, arguments) as running:
        if not arguments.calibration:
            applications = _with_deployments(applications, running, arguments)
        write(folder / CALIBRATION, msgspec.json.encode(applications).decode(), ELSEWHERE)
        screen = Screen.of(arguments)
        with screen.status(f"predicting {numbers.plural(len(drawn), 'trial')} …"):
            known = Known(applications=applications, source=_source(arguments, folder))
            validating = Validating(predicted(drawn, known, folder), known, folder)
        screen.say(f"All predictions are in {folder / PREDICTIONS}, SHA-256 {validating.validation.digest}")
        _run(validating, running, drawn, arguments)
    return validating.validation


def _run(validating: Validating, running: Lanes, drawn: Sequence[Configuration], arguments: argparse.Namespace) -> None:
    """All trials; those that were measured are explained, also where the rest is given up."""
    of = {one.configuration.number: one for one in validating.validation.predictions}
    expected = mean(one.seconds + OVERHEAD_SECONDS for one in drawn) / arguments.lanes
    try:
        with display(Screen.of(arguments), expected) as shown:
            shown.step_begins("small fleets run", 0, len(drawn))
            for done, trial in enumerate(validating.run(running), start=1):
                said = _said(trial, missed(of[trial.number].mean, trial.measured) if trial.measured else ())
                shown.step_ended(f"{done} of {len(drawn)}  {_words(drawn[trial.number])}: {said}", done, len(drawn))
    finally:
        validating.finish()
        write(validating.folder / PAGE, fleet_validation_page(validating.validation), ELSEWHERE)


def _said(trial: ValidationTrial, figures: Sequence[str]) -> str:
    if trial.measured is None:
        return f"not measured: {trial.error.splitlines()[0]}"
    doubt = " (a count is doubtful)" if trial.measured.gaps else ""
    return (f"missed {numbers.listed([FIGURES[name] for name in figures])}" if figures else "near enough") + doubt


def _words(configuration: Configuration) -> str:
    return f"seed {configuration.seed}, {configuration.server.name}, {short(configuration.strategy)}"


def _calibrated(servers: Sequence[str], folder: Path, arguments: argparse.Namespace) -> dict[str, Application]:
    """What the model knows of each server mode: from an earlier calibration, or from a run that is made now."""
    if not arguments.calibration:
        with display(Screen.of(arguments), TRIAL_SECONDS) as shown:
            return calibrate(servers, folder / "calibration", shown)
    path = arguments.calibration / CALIBRATION
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Application])
    except (OSError, msgspec.MsgspecError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"{path} cannot be read: {why}. Name the folder that an earlier validation has left with --calibration."
        ) from error
    if lacking := [name for name in servers if name not in found]:
        raise UsageError(f"--calibration {arguments.calibration} does not know {numbers.listed(lacking)}.")
    return {name: found[name] for name in servers}


def _with_deployments(
    applications: dict[str, Application], running: Lanes, arguments: argparse.Namespace
) -> dict[str, Application]:
    """The same with the times of boots, ends and restarts."""
    planned, trials = deployments(list(applications)), []
    with display(Screen.of(arguments), TRIAL_SECONDS / arguments.lanes) as shown:
        shown.step_begins("deployments are timed", 0, len(planned))
        for done, answer in enumerate(running.run(planned), start=1):
            name = planned[answer.number].server.name
            shown.step_ended(f"deployment {done} of {len(planned)}  {name} {answer.error}", done, len(planned))
            trials += [answer.trial] if answer.trial else []
    return {name: with_deployments(one, trials) for name, one in applications.items()}


@contextmanager
def _lanes(folder: Path, arguments: argparse.Namespace) -> Iterator[Lanes]:
    with Register.opened() as register, lanes(arguments.lanes, register, folder / LOGS) as running:
        yield running


def _source(arguments: argparse.Namespace, folder: Path) -> str:
    return f"the calibration in {(arguments.calibration or folder).name}"


def _read(path: Path) -> Validation:
    try:
        return read_validation(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"The record {path} cannot be read: {why}. Name one that --validate has written.") from error


def _published(validation: Validation, arguments: argparse.Namespace) -> int:
    """Print how often each figure was near enough, and write the page where it is asked for.

    Raises:
        GateError: the model was wrong too often.
    """
    trials = compared(validation)
    if arguments.markdown:
        write(arguments.markdown, fleet_validation_page(validation), "Name another file with --markdown.")
    if not trials:
        raise EnvironmentFaultError("No trial was measured; the logs of the lanes tell why.")
    found = share(trials)
    with reader_may_go():
        for name in JUDGED:
            print(f"{FIGURES[name]:>10}: near enough in {found.near[name]} of {found.trials} trials")
        print(f"{'all five':>10}: near enough in {found.together} of {found.trials} trials")
    if found.trials >= GATED and not found.enough:
        raise GateError(verdict(trials))
    print(verdict(trials))
    return 0

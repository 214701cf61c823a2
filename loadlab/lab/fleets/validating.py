"""A validation from its predictions to its record: nothing is run before all predictions are on disk."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.fleet.validation.comparison import misses
from loadlab.fleet.validation.predictions import predict
from loadlab.fleet.validation.record import as_json, sealed
from loadlab.lab.environment import machine_words
from loadlab.lab.preflight import install_command, missing_for
from loadlab.model.fleet_validation import ValidationTrial
from loadlab.plan.members import config_of, driver_for
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from loadlab.model.fleet import Application
    from loadlab.model.fleet_trial import ConfigurationResult
    from loadlab.model.fleet_validation import Configuration, Prediction, Validation

PREDICTIONS: Final = "predictions.json"
RECORD: Final = "validation.json"
TRIALS: Final = "trials"


class FleetRunner(Protocol):
    """What runs small fleets: `lanes.Lanes`."""

    versions: Mapping[str, str]

    def run(self, configurations: Sequence[Configuration]) -> Iterable[ConfigurationResult]:
        """Each answer when it comes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the model knows of each server mode, and where that comes from."""

    applications: Mapping[str, Application]
    source: str

    def of(self, configuration: Configuration) -> Application:
        return self.applications[configuration.server.name]


def installed_servers(wanted: Sequence[str]) -> list[str]:
    """Of the server modes that are `wanted`, or of all, those with all that they need.

    Raises:
        UsageError: there is no such mode.
        EnvironmentFaultError: one that is wanted lacks something, or none is there.
    """
    if unknown := [name for name in wanted if name not in SERVERS]:
        raise UsageError(f"--server {unknown[0]}: unknown server mode; known are {', '.join(SERVERS)}.")
    lacking = {name: _lacking(name) for name in wanted or SERVERS}
    found = [name for name, missing in lacking.items() if not missing]
    if not found or (wanted and len(found) < len(wanted)):
        absent = {what for missing in lacking.values() for what in missing}
        raise EnvironmentFaultError(f"Not installed: {', '.join(sorted(absent))}. {install_command(sorted(absent))}")
    return found


def _lacking(name: str) -> list[str]:
    closing = config_of(STRATEGIES, "max_age", {}, "strategies")
    server = config_of(SERVERS, name, {}, "servers")
    return [missing.what for missing in missing_for(server, closing, driver_for(server, closing) or "psycopg2")]


def predicted(configurations: Sequence[Configuration], known: Known, folder: Path) -> Validation:
    """All predictions, and the file that they are in before anything is run."""
    predictions = [predict(one, known.of(one)) for one in configurations]
    validation = replace(sealed(predictions, time.time()), application=known.source)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PREDICTIONS).write_text(as_json(validation), encoding="utf-8")
    return validation


@dataclass(slots=True)
class Validating:
    """A validation that goes on; `validation` has the trials so far, and so has the record in its folder."""

    validation: Validation
    known: Known
    folder: Path

    def run(self, runs: FleetRunner) -> Iterable[ValidationTrial]:
        """Run what was predicted, and give each trial when it has ended."""
        (self.folder / TRIALS).mkdir(exist_ok=True)
        self.validation = replace(self.validation, versions=runs.versions, machine=machine_words())
        for answer in runs.run([one.configuration for one in self.validation.predictions]):
            trial = _trial(answer)
            self._keep(answer, trial)
            yield trial
        self.validation = replace(self.validation, complete=True)

    def finish(self) -> Validation:
        """The record with the cause of each miss; it takes CPU, so it waits until nothing is measured any more."""
        of = {one.configuration.number: one for one in self.validation.predictions}
        trials = tuple(_explained(trial, of[trial.number], self.known) for trial in self.validation.trials)
        self.validation = replace(self.validation, trials=trials)
        self._write()
        return self.validation

    def _keep(self, answer: ConfigurationResult, trial: ValidationTrial) -> None:
        """All that was seen goes to a file beside the record."""
        (self.folder / TRIALS / f"{answer.number:04}.json").write_bytes(msgspec.json.encode(answer))
        self.validation = replace(self.validation, trials=(*self.validation.trials, trial))
        self._write()

    def _write(self) -> None:
        (self.folder / RECORD).write_text(as_json(self.validation), encoding="utf-8")


def _trial(answer: ConfigurationResult) -> ValidationTrial:
    seen = answer.trial
    if seen is None:
        return ValidationTrial(number=answer.number, began=answer.began, error=answer.error)
    return ValidationTrial(
        number=answer.number,
        began=answer.began,
        measured=seen.figures,
        busy=mean(seen.busy) if seen.busy else 0.0,
        late_seconds=seen.late_seconds,
        ends=seen.ends,
        outages=seen.outages,
    )


def _explained(trial: ValidationTrial, prediction: Prediction, known: Known) -> ValidationTrial:
    return replace(trial, misses=misses(prediction, trial, known.of(prediction.configuration)))

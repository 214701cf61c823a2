"""One lane of a validation: a lab that runs one small fleet after another. A process; lines of JSON come and go.

Its answers begin with a `Ready`. After it, it reads a `Configuration` and answers with a `ConfigurationResult`, until
its input ends. SIGTERM ends it in order.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from loadlab.errors import LabError, TerminatedError
from loadlab.lab.fleets.trial import observe_fleet
from loadlab.lab.opening import open_lab
from loadlab.lab.versions import versions
from loadlab.model.fleet_trial import ConfigurationResult, Ready
from loadlab.model.fleet_validation import Configuration
from loadlab.model.plan import Plan

if TYPE_CHECKING:
    from types import FrameType
    from typing import BinaryIO

    from loadlab.lab.lab import Lab
    from loadlab.model.case import Case
    from loadlab.model.samples import Trial


class _Silent:
    """Listens to the lab, and says what it hears in the lane's log."""

    def preparing(self, what: str) -> None:
        self.notice(what)

    def notice(self, what: str) -> None:
        sys.stderr.write(f"{what}\n")

    def trial_begins(self, case: Case, done: int, total: int) -> None: ...

    def trial_ended(self, trial: Trial, done: int, total: int) -> None: ...


def main(logs: Path) -> None:
    signal.signal(signal.SIGTERM, _stop)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    with suppress(TerminatedError), open_lab(Plan(servers={}, strategies={}), None, logs, _Silent()) as lab:
        _say(answers, Ready(versions=versions(lab.judge)))
        for line in sys.stdin.buffer:
            _say(answers, run(lab, msgspec.json.decode(line, type=Configuration)))


def run(lab: Lab, configuration: Configuration) -> ConfigurationResult:
    """Run it, and say why where it comes to no end."""
    began = time.time()
    try:
        trial = observe_fleet(lab, configuration)
    except TerminatedError:
        raise
    except LabError as error:
        return ConfigurationResult(number=configuration.number, began=began, error=str(error))
    return ConfigurationResult(number=configuration.number, began=began, trial=trial)


def _say(answers: BinaryIO, what: Ready | ConfigurationResult) -> None:
    answers.write(msgspec.json.encode(what) + b"\n")
    answers.flush()


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  as handlers are called
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise TerminatedError("Stopped by SIGTERM.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

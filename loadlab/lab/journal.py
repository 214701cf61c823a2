"""Writes down how a run goes on, and passes it on to the listener of the lab itself."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loadlab.errors import StoppedError
from loadlab.store.progress import Noticed, Preparing, RunBegan, RunEnded, TrialBegan, TrialEnded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.lab.opening import Listener
    from loadlab.model.case import Case
    from loadlab.model.samples import Trial
    from loadlab.model.schedule import Step
    from loadlab.store.folder import RunFolder
    from loadlab.store.progress import Event


class Journal:
    """A listener to a run that keeps what it hears in the run folder."""

    def __init__(self, folder: RunFolder, listener: Listener) -> None:
        self._folder = folder
        self._listener = listener

    def write(self, event: Event) -> None:
        self._folder.add_progress(event)

    def preparing(self, what: str) -> None:
        self.write(Preparing(at=time.time(), what=what))
        self._listener.preparing(what)

    def notice(self, what: str) -> None:
        self.write(Noticed(at=time.time(), what=what))
        self._listener.notice(what)

    def trial_begins(self, case: Case, done: int, total: int) -> None:
        self._listener.trial_begins(case, done, total)

    def step_begins(self, step: Step, ledgers: Path) -> None:
        self.write(TrialBegan(at=time.time(), order=step.order, block=step.block, case=step.case, ledgers=str(ledgers)))

    def trial_ended(self, trial: Trial, done: int, total: int) -> None:
        self.write(TrialEnded(at=time.time(), order=trial.order, state=trial.state, reason=trial.reason))
        self._listener.trial_ended(trial, done, total)

    @contextmanager
    def whole(self, *, done: int, total: int, trial_seconds: float) -> Iterator[None]:
        """A run from its beginning to its end, however it ends."""
        self.write(RunBegan(at=time.time(), total=total, done=done, trial_seconds=trial_seconds, pid=os.getpid()))
        try:
            yield
        except StoppedError as error:
            self.write(RunEnded(at=time.time(), state="stopped", reason=str(error)))
            raise
        except BaseException as error:
            self.write(RunEnded(at=time.time(), state="failed", reason=str(error)))
            raise
        self.write(RunEnded(at=time.time(), state="complete"))

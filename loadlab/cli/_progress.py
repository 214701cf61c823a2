"""Shows how a run goes on: a bar with the remaining time on a terminal, a line per trial elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from loadlab.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.case import Case
    from loadlab.model.samples import Trial


class Display:
    """Listens to a run and draws it."""

    def __init__(self, console: Console, progress: Progress, expected_trial_seconds: float) -> None:
        self._console = console
        self._progress = progress
        self._bar: TaskID = progress.add_task("starting", total=None, eta="")
        self._expected = expected_trial_seconds
        self._began: float | None = None
        self._first = 0

    def preparing(self, what: str) -> None:
        self._progress.update(self._bar, description=what)
        if not self._console.is_terminal:
            self._console.print(f"{printable(what)} …", soft_wrap=True)

    def notice(self, what: str) -> None:
        """Something to know, that stays on the screen."""
        self._console.print(f"note: {printable(what)}", soft_wrap=True)

    def close(self) -> None:
        """Clear the line; what follows is printed by others."""
        self._progress.stop()

    def trial_begins(self, case: Case, done: int, total: int) -> None:
        label = f"{case.server.name}, {case.strategy}, keep-alive {'on' if case.keep_alive else 'off'}"
        self.step_begins(f"trial {done + 1} of {total}: {label}", done, total)

    def trial_ended(self, trial: Trial, done: int, total: int) -> None:
        note = "" if trial.state == "complete" else f"  {trial.state}: {trial.reason}"
        self.step_ended(f"trial {done} of {total}, {self._eta(done, total)}  {trial.case.id}{note}", done, total)

    def step_begins(self, what: str, done: int, total: int) -> None:
        """`what` is to happen, as the next of `total` after `done`."""
        if self._began is None:
            self._began, self._first = time.monotonic(), done
        self._progress.update(self._bar, description=what, completed=done, total=total, eta=self._eta(done, total))

    def step_ended(self, what: str, done: int, total: int) -> None:
        """`done` of `total` are there now; `what` is a line for where there is no bar."""
        self._progress.update(self._bar, completed=done, eta=self._eta(done, total))
        if not self._console.is_terminal:
            self._console.print(printable(what), soft_wrap=True)

    def _eta(self, done: int, total: int) -> str:
        """The remaining time, from the trials of this run as soon as there are any."""
        here = done - self._first
        elapsed = time.monotonic() - (self._began or time.monotonic())
        each = elapsed / here if here else self._expected
        minutes, seconds = divmod(round(each * (total - done)), 60)
        return f"ETA {minutes}:{seconds:02d}"


@contextmanager
def display(expected_trial_seconds: float) -> Iterator[Display]:
    """A display on standard error, so that standard output holds results alone."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[eta]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Display(console, progress, expected_trial_seconds)

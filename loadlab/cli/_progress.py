"""Shows how a run goes on: a bar with the remaining time on a terminal, a line per trial elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from loadlab.model.durations import elapsed
from loadlab.model.schedule import remaining_seconds
from loadlab.report import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadlab.cli._screen import Screen
    from loadlab.model.case import Case
    from loadlab.model.samples import Trial

UNNAMED: Final[Mapping[Case, str]] = {}


class Display:
    """Listens to a run and draws it; `names` are the short names of its cases."""

    def __init__(
        self, progress: Progress, screen: Screen, expected_step_seconds: float, names: Mapping[Case, str]
    ) -> None:
        self._console = progress.console
        self._progress = progress
        self._lines = progress.disable and not screen.quiet
        self._quiet = screen.quiet
        self._names = names
        self._bar: TaskID = progress.add_task("starting", total=None, eta="")
        self._expected = expected_step_seconds
        self._began: float | None = None
        self._first = 0

    def preparing(self, what: str) -> None:
        self._progress.update(self._bar, description=what)
        if self._lines:
            self._print(f"{what} …")

    def notice(self, what: str) -> None:
        """Something to know, that stays on the screen."""
        self._print(f"note: {what}")

    def close(self) -> None:
        """Clear the line; what follows is printed by others."""
        self._progress.stop()

    def trial_begins(self, case: Case, done: int, total: int) -> None:
        self.step_begins(f"trial {done + 1} of {total}: {self._name(case)}", done, total)

    def trial_ended(self, trial: Trial, done: int, total: int) -> None:
        note = "" if trial.state == "complete" else f"  {trial.state}: {trial.reason}"
        line = f"trial {done} of {total}, {self._remaining(done, total)}  {self._name(trial.case)}{note}"
        self.step_ended(line, done, total)
        if done == total and not self._quiet:
            made = done - self._first
            self._print(f"{numbers.plural(made, 'trial')} in {elapsed(self._elapsed())}")

    def step_begins(self, what: str, done: int, total: int) -> None:
        """`what` is to happen, as the next of `total` after `done`."""
        if self._began is None:
            self._began, self._first = time.monotonic(), done
        self._progress.update(
            self._bar, description=what, completed=done, total=total, eta=self._remaining(done, total)
        )

    def step_ended(self, what: str, done: int, total: int) -> None:
        """`done` of `total` are there now; `what` is a line for where there is no bar."""
        self._progress.update(self._bar, completed=done, total=total, eta=self._remaining(done, total))
        if self._lines:
            self._print(what)

    def _name(self, case: Case) -> str:
        return self._names.get(case, case.id)

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)

    def _elapsed(self) -> float:
        return time.monotonic() - (self._began or time.monotonic())

    def _remaining(self, done: int, total: int) -> str:
        """The remaining time, from the trials of this run as soon as there are any."""
        left = total - done
        if left <= 1:
            return "last one" if left else "done"
        remaining = remaining_seconds(
            left=left,
            made=done - self._first,
            elapsed_seconds=self._elapsed(),
            expected_seconds=self._expected,
        )
        minutes, seconds = divmod(round(remaining), 60)
        return f"ETA {minutes}:{seconds:02d}"


@contextmanager
def display(
    screen: Screen, expected_step_seconds: float = 0.0, names: Mapping[Case, str] = UNNAMED
) -> Iterator[Display]:
    """A display on standard error, so that standard output holds results alone."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[eta]}"),
    )
    moves = screen.moves(sys.stderr)
    with Progress(*columns, console=screen.progress_console(), transient=True, disable=not moves) as progress:
        yield Display(progress, screen, expected_step_seconds, names)

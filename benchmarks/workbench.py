"""What the benchmarks share: a lab to measure in, a random order to measure by, a line of progress."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from loadlab.lab.opening import open_lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loadlab.lab.lab import Lab
    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.samples import Trial

SEED: Final = 2013

Item = TypeVar("Item")


class Watch:
    """Draws on standard error how far a benchmark has come; off a terminal, it only says what begins."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name = name
        self._progress = progress
        self._bar = progress.add_task(name, total=None)

    def preparing(self, what: str) -> None:
        """A Listener hears this while a lab is opened."""
        self._progress.update(self._bar, description=f"{self._name}: {what}")
        if self._progress.disable:
            self._progress.console.print(f"{self._name}: {what} …")

    def notice(self, what: str) -> None:
        self._progress.console.print(what)

    def trial_begins(self, case: Case, done: int, total: int) -> None: ...

    def trial_ended(self, trial: Trial, done: int, total: int) -> None: ...

    def over(self, items: Sequence[Item], label: Callable[[Item], str]) -> Iterator[Item]:
        """The items one after the other, each said before it comes."""
        self._progress.update(self._bar, total=len(items), completed=0)
        for item in items:
            self._progress.update(self._bar, description=f"{self._name}: {label(item)}")
            yield item
            self._progress.advance(self._bar)


@contextmanager
def watching(name: str) -> Iterator[Watch]:
    """A watch on one benchmark; it leaves nothing behind, so that only tables stay."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    drawing = Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    )
    with drawing as progress:
        yield Watch(name, progress)


@contextmanager
def workbench(plan: Plan, watch: Watch) -> Iterator[Lab]:
    """A lab with a fresh PostgreSQL and one generator; all files are gone at the end."""
    with open_lab(plan, None, None, watch) as lab:
        yield lab


def interleaved(arms: Sequence[Item], blocks: int) -> list[tuple[int, Item]]:
    """(block, arm) in the order to measure: every block has each arm once, in its own seeded random order."""
    chance = random.Random(SEED)
    return [(block, arm) for block in range(blocks) for arm in chance.sample(arms, len(arms))]
